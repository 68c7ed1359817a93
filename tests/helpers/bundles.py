"""Training rows with a known signal, and the card of a bundle that was fitted on them."""

from __future__ import annotations

import numpy as np

from parivision_assets.steps.training import fitting
from parivision_core import bundle
from parivision_core.nba.shots import NBA


def rows(n: int, seed: int) -> fitting.TrainingRows:
    """Random rows whose outcome depends on the offset and on the fourth feature."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, len(NBA.feature_names))).astype(np.float32)
    offset = rng.normal(-0.2, 0.5, n).astype(np.float32)
    chance = 1 / (1 + np.exp(-(offset + 0.5 * features[:, 3])))
    return fitting.TrainingRows(features, offset, (rng.random(n) < chance).astype(np.int8))


def card_of(fitted: fitting.Fitted, graph: bytes) -> bundle.Card:
    """The card of a graph, with the fitted model's own probabilities as known answers."""
    known = rows(20, 2)
    return bundle.Card(
        sport="nba",
        model=fitted.name,
        feature_names=list(NBA.feature_names),
        schema=NBA.schema,
        base_fingerprint=NBA.base_fingerprint,
        graph_sha256=bundle.digest(graph),
        known_answers=bundle.KnownAnswers(
            features=known.features.tolist(),
            offset=known.offset.tolist(),
            probability=fitted.predict(known.features, known.offset).tolist(),
        ),
        provenance=bundle.Provenance(
            run_id="r",
            code_version="0",
            data_fingerprint="d",
            batches=1,
            first_date="2022-10-18",
            last_train_date="2023-01-01",
            seen_until="2023-02-01",
        ),
    )
