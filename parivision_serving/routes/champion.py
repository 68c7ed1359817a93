"""GET /api/v1/champion: what is served, where it came from, and why a newer one isn't served."""

from __future__ import annotations

from http import HTTPStatus

from litestar import get
from litestar.handlers import HTTPRouteHandler

from parivision_serving.champion import Watcher
from parivision_serving.problems import documented
from parivision_serving.routes.served import served
from parivision_serving.schemas import ServedChampion, ServedForm


def champion_route(watcher: Watcher) -> HTTPRouteHandler:
    """Build the handler."""

    @get(
        "/api/v1/champion",
        operation_id="champion",
        summary="The champion and form in service",
        description="Version, provenance and form of the pair that answers now, and the last problem in replacing it.",
        tags=["model"],
        responses=documented(HTTPStatus.SERVICE_UNAVAILABLE),
    )
    async def champion() -> ServedChampion:
        pair = served(watcher)
        card = pair.bundle.card
        return ServedChampion(
            version=pair.champion.version,
            epoch=pair.champion.epoch,
            sha256=pair.champion.sha256,
            run_id=pair.champion.run_id,
            registered_at=pair.champion.registered_at,
            sport=card.sport,
            model=card.model,
            feature_schema=card.schema,
            base_fingerprint=card.base_fingerprint,
            provenance=card.provenance,
            form=ServedForm(stamp=pair.record.stamp, through=pair.record.through, shots=pair.record.shots),
            reload_problem=watcher.problem,
        )

    return champion
