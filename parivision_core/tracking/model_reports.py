"""What the registry knows about one version of a model, read over HTTP and arranged for an analyst."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Annotated

import msgspec
from msgspec import Meta

from parivision_core.bundle import CARD, Card, Provenance
from parivision_core.problems import RegistryError
from parivision_core.scoring import Bin, Scores
from parivision_core.tracking.pages import run_page
from parivision_core.tracking.registry import (
    ALIAS,
    DEFECTS_TAG,
    RUN_FILE,
    SHA_TAG,
    STATUS_TAG,
    VERSION_FILE,
    RegistryReader,
    pairs,
)

ROWS, *MEASURES = Scores.__struct_fields__


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One measure on one set of shots."""

    value: float
    low: Annotated[float | None, Meta(description="Ends of the 95 % interval by whole games, where there is one.")]
    high: float | None


class ProfileScores(msgspec.Struct, frozen=True, kw_only=True):
    """How good a model was on one set of shots, or for one request profile."""

    shots: int
    scores: dict[str, Score]
    reliability: Annotated[
        list[Bin], Meta(description="Predicted and observed make rate over equally many shots each; may be empty.")
    ]


class BundleReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the bundle says about itself."""

    model: Annotated[str, Meta(description="Family of the model.")]
    feature_schema: str
    base_fingerprint: str
    parts: Annotated[list[str], Meta(description="Parts of the warehouse that it was fitted on.")]
    calibrator: dict[str, str | float]
    provenance: Annotated[Provenance, Meta(description="Where it came from, with the window of its data.")]


class VersionReport(msgspec.Struct, frozen=True, kw_only=True):
    """One registered version."""

    version: int
    champion: Annotated[bool, Meta(description="Whether it holds the alias in the registry.")]
    status: Annotated[str | None, Meta(description="What became of it; null before its first verdict.")]
    defects: Annotated[str | None, Meta(description="Why it can never be champion; empty for a sound one.")]
    registered_at: Annotated[int, Meta(description="Milliseconds since 1970.")]
    sha256: Annotated[str | None, Meta(description="Digest that identifies its bundle.")]
    run_id: Annotated[str, Meta(description="Its training run in the tracking server.")]
    run_page: Annotated[str | None, Meta(description="Address of the run's page; null when the run was deleted.")]
    tags: dict[str, str]
    bundle: Annotated[BundleReport | None, Meta(description="Null when the bundle was deleted.")]
    parameters: dict[str, str]
    measured: Annotated[
        dict[str, ProfileScores], Meta(description="By set of shots; for the unseen ones, also by request profile.")
    ]
    choices: Annotated[
        dict[str, float], Meta(description="Validation scores of the models, windows and calibrators that were tried.")
    ]
    importance: Annotated[dict[str, float], Meta(description="Feature -> share of the gain, largest first.")]


def read_report(registry: RegistryReader, version: int) -> VersionReport | None:
    """The report of a version; None when there is no such version.

    Raises RegistryError when the registry can't be reached, refuses, or isn't MLflow.
    """
    mlflow = registry.mlflow
    answer = mlflow.get("/api/2.0/mlflow/model-versions/get", name=registry.model, version=version)
    if answer is None:
        return None
    try:
        found = answer["model_version"]
        run_id, tags = found.get("run_id", ""), pairs(found.get("tags"))
        answer = mlflow.get("/api/2.0/mlflow/runs/get", run_id=run_id) if run_id else None
        run = answer["run"] if answer else {}
        info, data = run.get("info"), run.get("data", {})
        metrics = {name: value for name, value in pairs(data.get("metrics")).items() if isfinite(value)}
        curves = _curves(_file(registry, run_id, "reliability.md")) if info else {}
        importance = _file(registry, run_id, "importance.json") if info else b""
        return VersionReport(
            version=int(found["version"]),
            champion=ALIAS in found.get("aliases", ()),
            status=tags.get(STATUS_TAG),
            defects=tags.get(DEFECTS_TAG),
            registered_at=int(found["creation_timestamp"]),
            sha256=tags.get(SHA_TAG),
            run_id=run_id,
            run_page=run_page(registry.page, info["experiment_id"], run_id) if info else None,
            tags=tags,
            bundle=_bundle(registry, version),
            parameters=pairs(data.get("params")),
            measured=_measured(metrics, curves),
            choices={
                name: value for name, value in metrics.items() if name.startswith(("tried_", "window_", "calibrator_"))
            },
            importance=msgspec.json.decode(importance, type=dict[str, float]) if importance else {},
        )
    except (KeyError, ValueError, TypeError) as error:
        raise RegistryError(
            f"version {version} of {registry.model} in the registry can't be understood ({error}); was it registered "
            "by another program?"
        ) from error


def _file(registry: RegistryReader, run_id: str, path: str) -> bytes:
    """A file that a run logged; empty when there is none."""
    return registry.mlflow.file(RUN_FILE, run_uuid=run_id, path=path) or b""


def _bundle(registry: RegistryReader, version: int) -> BundleReport | None:
    found = registry.mlflow.file(VERSION_FILE, name=registry.model, version=version, path=CARD)
    if found is None:
        return None
    card = msgspec.json.decode(found, type=Card)
    return BundleReport(
        model=card.model,
        feature_schema=card.schema,
        base_fingerprint=card.base_fingerprint,
        parts=list(card.parts),
        calibrator=card.calibrator,
        provenance=card.provenance,
    )


def _measured(metrics: Mapping[str, float], curves: Mapping[str, list[Bin]]) -> dict[str, ProfileScores]:
    """Metrics named `<set>_<measure>`, followed by `_low` and `_high` for intervals, by set; every set has rows."""
    sets = [name.removesuffix(f"_{ROWS}") for name in metrics if name.endswith(f"_{ROWS}")]
    return {
        name: ProfileScores(
            shots=int(metrics[f"{name}_{ROWS}"]),
            scores={
                measure: Score(
                    value=metrics[f"{name}_{measure}"],
                    low=metrics.get(f"{name}_{measure}_low"),
                    high=metrics.get(f"{name}_{measure}_high"),
                )
                for measure in MEASURES
                if f"{name}_{measure}" in metrics
            },
            reliability=curves.get(name, []),
        )
        for name in sets
    }


def _curves(text: bytes) -> dict[str, list[Bin]]:
    """Reliability tables as training writes them: the name of a set, then a Markdown table of its bins."""
    curves: dict[str, list[Bin]] = {}
    name = ""
    for line in text.decode(errors="replace").splitlines():
        if not line.startswith("|"):
            name = line.replace(" ", "_") or name
        elif any(sign.isdigit() for sign in line):
            curves.setdefault(name, []).append(_bin(line))
    return curves


def _bin(line: str) -> Bin:
    predicted, observed, count = (cell.strip().replace(",", "") for cell in line.strip("|").split("|"))
    return Bin(float(predicted), float(observed), int(count))
