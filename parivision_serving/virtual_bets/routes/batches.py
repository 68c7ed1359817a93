"""GET /batches and /batches/{id}: batches by cursor and id; both are safe to repeat."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import anyio
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter

from parivision_serving.virtual_bets.feed import FeedService
from parivision_serving.virtual_bets.problems import NOT_FOUND
from parivision_serving.virtual_bets.schemas import Listing
from parivision_serving.web.operations import PlainOperation
from parivision_serving.web.problems import problem_specs

MOST = 500


def batch_routes(feed: FeedService) -> list[HTTPRouteHandler]:
    """Build the handlers. The feed works in a thread: a day takes it 10 ms, a new season a second."""

    @get(
        "/batches",
        operation_id="batches",
        operation_class=PlainOperation,
        summary="Batches announced so far",
        description="Those after a cursor, in the order of their announcement. The service keeps nothing of its "
        "clients: one that stores `next` once a batch is safe gets every batch exactly once.",
        tags=["batches"],
        responses=problem_specs(HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.INTERNAL_SERVER_ERROR, guarded=False),
    )
    async def batches(
        after: Annotated[int, Parameter(ge=0, description="`next` of the last answer; 0 for all.")] = 0,
        limit: Annotated[int, Parameter(ge=1, le=MOST, description="The most batches to list.")] = 50,
    ) -> Listing:
        return await anyio.to_thread.run_sync(feed.listing, after, limit)

    @get(
        "/batches/{batch_id:str}",
        operation_id="batch",
        operation_class=PlainOperation,
        summary="The documents of a batch",
        description="A list of objects with 22 text fields, always the same bytes; the ETag is their sha256.",
        tags=["batches"],
        media_type="application/json",
        responses=NOT_FOUND
        | problem_specs(HTTPStatus.INTERNAL_SERVER_ERROR, guarded=False)
        | {
            HTTPStatus.OK.value: ResponseSpec(
                list[dict[str, str]], generate_examples=False, description="The documents."
            ),
            HTTPStatus.NOT_MODIFIED.value: ResponseSpec(
                None, generate_examples=False, description="`If-None-Match` names the fingerprint."
            ),
        },
    )
    async def batch(
        batch_id: Annotated[str, Parameter(description="As listed by GET /batches.")],
        if_none_match: Annotated[str | None, Parameter(header="If-None-Match")] = None,
    ) -> Response[bytes]:
        content, fingerprint = await anyio.to_thread.run_sync(feed.content, batch_id)
        tag = f'"{fingerprint}"'
        unchanged = if_none_match is not None and bool({tag, "*"} & _tags(if_none_match))
        return Response(
            b"" if unchanged else content,
            status_code=HTTPStatus.NOT_MODIFIED if unchanged else HTTPStatus.OK,
            media_type="application/json",
            headers={"ETag": tag, "Cache-Control": "no-cache"},
        )

    return [batches, batch]


def _tags(header: str) -> set[str]:
    """The entity tags of an If-None-Match, weak ones too (RFC 9110, 13.1.2)."""
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}
