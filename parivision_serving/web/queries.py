"""Query parameters that a sport defines: handlers take them as if they had been written for that sport."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from itertools import islice
from typing import Annotated, Any, TypeVar

from litestar import Request
from litestar.openapi.spec import Example
from litestar.params import Parameter

from parivision_core.sport import FieldProblem, Filter
from parivision_serving.web.problems import MOST_ERRORS, InvalidRequestError, shortened

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[Any]])


def with_queries(handler: Handler, queries: Mapping[str, Any]) -> Handler:
    """The handler with query parameters of these types in place of its `**` and of its own of the same names.

    None stands for a parameter that is left out.
    """
    signature = inspect.signature(handler)
    own = [
        p
        for name, p in signature.parameters.items()
        if p.kind is not inspect.Parameter.VAR_KEYWORD and name not in queries
    ]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in queries.items()
    ]
    handler.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    handler.__annotations__ |= queries
    return handler


def query_of(chosen: Filter) -> Any:
    """The type of a filter's query parameter, which Litestar checks and OpenAPI shows."""
    return optional(
        chosen.kind,
        chosen.description,
        chosen.example,
        ge=chosen.least,
        le=chosen.most,
        schema_extra={"enum": list(chosen.values)} if chosen.values else None,
    )


def optional(kind: Any, description: str, example: Any, **limits: Any) -> Any:
    """The type of an optional query parameter."""
    return Annotated[
        kind | None, Parameter(description=description, required=False, examples=[Example(value=example)], **limits)
    ]


def filter_values(filters: Mapping[str, Filter], given: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Field -> the values that pass the filter. `given` holds the query's parameters, None for those left out.

    Raises InvalidRequestError naming each unknown value.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    _refuse(
        FieldProblem(name, f"there is no {shortened(str(value))!r}; known are {', '.join(filters[name].values)}")
        for name, value in chosen.items()
        if filters[name].values and value not in filters[name].values
    )
    # The contract stores booleans as 1 or 0.
    return {
        name: filters[name].values.get(value) or (int(value) if isinstance(value, bool) else value,)
        for name, value in chosen.items()
    }


def refuse_unknown(request: Request[Any, Any, Any], known: Collection[str]) -> None:
    """Raise InvalidRequestError for an unknown query parameter: ignored, it would widen the answer."""
    known_are = f"known are {', '.join(known)}" if known else "this route takes none"
    _refuse(
        FieldProblem(shortened(name), f"there is no such query parameter; {known_are}")
        for name in request.query_params
        if name not in known
    )


def refuse_misread(request: Request[Any, Any, Any], read: Mapping[str, Any]) -> None:
    """Raise InvalidRequestError for parameters that would be ignored: unknown ones, null, and those given twice.

    `read` are the known parameters with their values, None for those left out.
    """
    refuse_unknown(request, read)
    given = request.query_params
    _refuse(FieldProblem(name, "null is not a value; leave the parameter out") for name in given if read[name] is None)
    _refuse(FieldProblem(name, "it is given more than once") for name in given if len(given.getall(name)) > 1)


def _refuse(problems: Iterable[FieldProblem]) -> None:
    found = list(islice(problems, MOST_ERRORS))
    if found:
        raise InvalidRequestError(found)
