"""GET /api/v1/champion: the champion in service, its provenance, and why a newer one isn't served."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta

from parivision_core.bundle import Provenance
from parivision_core.tracking.registry import RegistryReader
from parivision_serving.prediction.champion import Watcher, pair_in_service
from parivision_serving.web.operations import answer_spec
from parivision_serving.web.problems import problem_specs


class ServedFeatureState(msgspec.Struct, frozen=True, kw_only=True):
    """The feature state in service."""

    stamp: str
    through: str | None
    shots: int


class ServedChampion(msgspec.Struct, frozen=True, kw_only=True):
    """The pair of champion and feature state in service."""

    version: int
    epoch: Annotated[int, Meta(description="Raised by every promotion and rollback.")]
    sha256: str
    run_id: Annotated[str, Meta(description="MLflow run of its training.")]
    registered_at: Annotated[int, Meta(description="Milliseconds since 1970.")]
    page: Annotated[str, Meta(description="Address of its page in MLflow.")]
    sport: str
    model: Annotated[str, Meta(description="Model family.")]
    feature_schema: str
    base_fingerprint: str
    provenance: Provenance
    feature_state: ServedFeatureState
    reload_problem: Annotated[
        str | None,
        Meta(description="Why the latest champion or feature state isn't served yet; null when it is."),
    ]


EXAMPLE = {
    "version": 3,
    "epoch": 3,
    "sha256": "7b3820c33f1ce8ef7ab14d87c23742226bf8487304aca9d215bc3b5f725864b9",
    "run_id": "b8b0c81056e5471b922adfe43f0c132e",
    "registered_at": 1_795_366_952_347,
    "page": "http://127.0.0.1:5000/#/models/parivision/versions/3?workflowType=machine_learning",
    "sport": "nba",
    "model": "xgboost",
    "feature_schema": "81e0db45475aaa35",
    "base_fingerprint": "0f4e99b80690bcac",
    "provenance": {
        "run_id": "b8b0c81056e5471b922adfe43f0c132e",
        "code_version": "0.1.0+466bd1de3a64",
        "data_fingerprint": "98cad59e75527be6",
        "batches": 2,
        "first_date": "2020-12-22",
        "last_train_date": "2023-01-30",
        "seen_until": "2023-03-09",
    },
    "feature_state": {"stamp": "3f0c5a9be1d24c77", "through": "2023-04-09", "shots": 408178},
    "reload_problem": None,
}


def champion_route(registry: RegistryReader, watcher: Watcher) -> HTTPRouteHandler:
    """Build the handler."""

    @get(
        "/api/v1/champion",
        operation_id="champion",
        summary="The champion and feature state in service",
        description="Version, provenance and feature state of the pair that answers now, and the problem that keeps a "
        "newer one from being served.",
        tags=["model"],
        responses=answer_spec(ServedChampion, "The pair in service.", EXAMPLE)
        | problem_specs(HTTPStatus.SERVICE_UNAVAILABLE),
    )
    async def champion() -> ServedChampion:
        return served_champion(registry, watcher)

    return champion


def served_champion(registry: RegistryReader, watcher: Watcher) -> ServedChampion:
    """The description of the pair in service. Raises NotReadyError when there is none."""
    pair = pair_in_service(watcher)
    card = pair.bundle.card
    return ServedChampion(
        version=pair.champion.version,
        epoch=pair.champion.epoch,
        sha256=pair.champion.sha256,
        run_id=pair.champion.run_id,
        registered_at=pair.champion.registered_at,
        page=registry.version_page(pair.champion.version),
        sport=card.sport,
        model=card.model,
        feature_schema=card.schema,
        base_fingerprint=card.base_fingerprint,
        provenance=card.provenance,
        feature_state=ServedFeatureState(stamp=pair.record.stamp, through=pair.record.through, shots=pair.record.shots),
        reload_problem=watcher.problem,
    )
