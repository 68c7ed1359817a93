"""GET /api/v1/shots: the lake's shots, newest first and page by page, for charts and for checking answers."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

import anyio
import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import Parameter
from msgspec import Meta

from parivision_core.sport import FieldProblem, Sport
from parivision_core.store.base import Store
from parivision_core.store.shots import DAY, ID, ShotQuery
from parivision_serving.web.operations import PlainOperation, answer_spec
from parivision_serving.web.problems import InvalidRequestError, problem_specs
from parivision_serving.web.queries import filter_values, optional, query_of, refuse_misread, with_queries

MOST, USUAL = 5_000, 500
SEARCHES = 2
"""Searches at once: each may cost some tens of milliseconds of CPU, which predictions need too."""
LONGEST = 1_000
"""Characters of a text in the query."""
_TYPES = {"string": str}


def shots_of(sport: Sport) -> type[msgspec.Struct]:
    """The type of a page, for OpenAPI: every field is there unless `fields` selects others."""
    fields: list[tuple[str, Any, Any]] = [
        (name, _TYPES.get(kind, int), msgspec.UNSET) for name, kind in {ID: "string", **sport.fields}.items()
    ]
    shot = msgspec.defstruct("LakeShot", fields, frozen=True, kw_only=True)
    following: Any = Annotated[str | None, Meta(description="The `cursor` of the next page; null on the last page.")]
    return msgspec.defstruct("LakeShots", [("shots", list[shot]), ("next", following)], frozen=True)  # type: ignore[valid-type]


def cursor_of(shot: Mapping[str, Any]) -> str:
    """The cursor of a page that starts after a shot."""
    return base64.urlsafe_b64encode(f"{shot[DAY]} {shot[ID]}".encode()).decode()


def after_cursor(cursor: str) -> tuple[str, str]:
    """Game day and id of the shot that a cursor was made from. Raises InvalidRequestError for an invalid cursor."""
    try:
        day, _, name = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().partition(" ")
        return dt.date.fromisoformat(day).isoformat(), name
    except (binascii.Error, ValueError):
        raise InvalidRequestError(
            [FieldProblem("cursor", "this is no valid cursor; use `next` of the page before, with the same filters")]
        ) from None


def shots_route(sport: Sport, store: Store) -> HTTPRouteHandler:
    """Build the handler, with the filters that the sport's contract defines."""
    columns = (ID, *sport.fields)
    queries = {
        "since": optional(dt.date, "First game day.", "2023-01-01"),
        "until": optional(dt.date, "Last game day.", "2023-04-09"),
        "cursor": optional(
            str, "`next` of the page before.", cursor_of({DAY: "2023-04-09", ID: "an id"}), max_length=LONGEST
        ),
        "fields": optional(
            str,
            "Only these fields, separated by commas; by default all.",
            f"{ID},made",
            max_length=LONGEST,
            schema_extra={"pattern": "^({0})(,({0}))*$".format("|".join(columns))},
        ),
    }
    queries |= {name: query_of(chosen) for name, chosen in sport.filters.items()}
    limiter = anyio.CapacityLimiter(SEARCHES)

    def page(query: ShotQuery, limit: int, fields: tuple[str, ...]) -> bytes:
        """A page as JSON, built entirely in the worker thread."""
        found = store.find_shots(query, limit + 1, tuple(dict.fromkeys((DAY, ID, *fields))))
        following = cursor_of(found[limit - 1]) if len(found) > limit else None
        shots = [{name: shot[name] for name in fields} for shot in found[:limit]]
        return msgspec.json.encode({"shots": shots, "next": following})

    async def shots(
        request: Request[Any, Any, Any],
        limit: Annotated[int, Parameter(ge=1, le=MOST, description="Most shots to return.")] = USUAL,
        since: dt.date | None = None,
        until: dt.date | None = None,
        cursor: str | None = None,
        fields: str | None = None,
        **given: Any,
    ) -> Response[bytes]:
        own = {"limit": limit, "since": since, "until": until, "cursor": cursor, "fields": fields}
        refuse_misread(request, own | given)
        if since and until and since > until:
            raise InvalidRequestError([FieldProblem("until", f"{until} lies before since={since}")])
        query = ShotQuery(
            since=since.isoformat() if since else None,
            until=until.isoformat() if until else None,
            after=after_cursor(cursor) if cursor else None,
            where=filter_values(sport.filters, given),
        )
        wanted = _chosen(fields, columns)
        found = await anyio.to_thread.run_sync(page, query, limit, wanted, limiter=limiter)
        return Response(found, media_type="application/json")

    example = {name: chosen.example for name, chosen in sport.filters.items()}
    return get(
        "/api/v1/shots",
        operation_id="shots",
        operation_class=PlainOperation,
        summary="Shots in the lake, newest first",
        description="Shots that pass all given filters, by game day and id. Pages stay consistent while batches "
        "arrive: no shot that was there before the first page is repeated or skipped.",
        tags=["data"],
        responses=answer_spec(
            shots_of(sport), "A page of shots.", {"shots": [{DAY: "2023-04-09", **example}], "next": None}
        )
        | problem_specs(
            HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INTERNAL_SERVER_ERROR
        ),
    )(with_queries(shots, queries))


def _chosen(fields: str | None, columns: tuple[str, ...]) -> tuple[str, ...]:
    """The selected fields, each once. Raises InvalidRequestError naming an unknown one."""
    if fields is None:
        return columns
    chosen = tuple(dict.fromkeys(name.strip() for name in fields.split(",")))
    if unknown := [name for name in chosen if name not in columns]:
        known = ", ".join(columns)
        raise InvalidRequestError([FieldProblem("fields", f"there is no field {unknown[0]!r}; known are {known}")])
    return chosen
