"""The card of a bundle: provenance, feature schema, calibrator, and rows with their known answers."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from parivision_assets.steps.training.calibrating import Calibrator
from parivision_assets.steps.training.code_version import code_version
from parivision_assets.steps.training.fitting import Fitted, TrainingRows
from parivision_assets.steps.training.splitting import Split
from parivision_core import bundle
from parivision_core.sport import Sport

KNOWN_ANSWERS = 32


def describe(
    model: Fitted,
    graph: bytes,
    sport: Sport,
    provenance: bundle.Provenance,
    parts: tuple[str, ...],
    rows: TrainingRows,
    probability: NDArray[np.float64],
) -> bundle.Card:
    """The card of a model that was fitted on some parts of the warehouse, and of its graph.

    `probability` (n,) is what the trainer predicts for the rows (n).
    """
    known = np.linspace(0, len(rows) - 1, min(KNOWN_ANSWERS, len(rows))).astype(int)
    return bundle.Card(
        sport=sport.name,
        model=model.name,
        feature_names=list(sport.feature_names),
        schema=sport.schema,
        base_fingerprint=sport.base_fingerprint,
        graph_sha256=bundle.digest(graph),
        known_answers=bundle.KnownAnswers(
            features=rows.features[known].tolist(),
            offset=rows.offset[known].tolist(),
            probability=probability[known].tolist(),
        ),
        provenance=provenance,
        parts=parts,
        calibrator=calibrator_parameters(model.calibrator),
    )


def provenance_of(seen: pa.Table, periods: Split, run_id: str, batches: int) -> bundle.Provenance:
    """Where a model comes from; `seen` are the rows used to fit, stop or choose it, in order of time."""
    return bundle.Provenance(
        run_id=run_id,
        code_version=code_version(),
        data_fingerprint=data_fingerprint(seen),
        batches=batches,
        first_date=str(seen["game_date"][0]),
        last_train_date=periods.last_train_date,
        seen_until=periods.seen_until,
    )


def data_fingerprint(table: pa.Table) -> str:
    """Digest of the ids and outcomes of rows: the same for the same shots, in whichever batches they were ingested."""
    digest = hashlib.sha256("\n".join(table["_id"].to_pylist()).encode())
    digest.update(table["made"].to_numpy().tobytes())
    return digest.hexdigest()[:16]


def calibrator_parameters(calibrator: Calibrator | None) -> dict[str, str | float]:
    """A calibrator's family and parameters; the family `none` without one."""
    return {"family": "none"} if calibrator is None else dict(vars(calibrator))
