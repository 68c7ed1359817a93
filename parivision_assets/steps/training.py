"""One training: from the warehouse to a saved, verified bundle with its numbers; nothing is registered here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from parivision_assets.steps.converting import to_onnx
from parivision_assets.steps.fitting import Fitted, Rows, fit_all
from parivision_assets.steps.folding import KEPT, OFFSET, current_state, matrix_of
from parivision_assets.steps.soundness import defects
from parivision_assets.steps.splitting import Split, split
from parivision_core import __version__, bundle, scoring
from parivision_core.problems import NotEnoughGamesError
from parivision_core.sport import Sport
from parivision_core.store.base import Store

WINDOW_PARTS = 3
"""Newest parts (seasons) to train on: how locations are recorded changes over the years."""
KNOWN_ANSWERS = 32


@dataclass(frozen=True)
class Trained:
    """A candidate before it is registered."""

    fitted: Fitted
    folder: Path
    sha256: str
    bundle: bundle.Bundle
    defects: list[str]
    candidates: dict[str, scoring.Scores]
    """Scores of every model tried, on masked validation games."""
    scores: dict[str, scoring.Scores]
    """Scores of the served graph: `validation` and `unseen` with the full record, `minimal` with no optional input."""
    reliability: list[scoring.Bin]
    """On the unseen games with the full record."""
    window: dict[str, str | int] = field(default_factory=dict)
    warehouse_shots: int = 0
    """Shots in the whole warehouse, by which a later look can tell how many are new."""


def train(
    store: Store, sport: Sport, folder: Path, run_id: str, say: Callable[[str], None] = lambda _: None
) -> Trained:
    """Fit every model on the newest seasons, choose on later games, and save the best as a bundle in `folder`.

    Raises NotEnoughGamesError when there are too few games to fit and judge a model.
    """
    state = current_state(store, sport)
    parts = window_of(store)
    table = store.warehouse([*KEPT, OFFSET, *sport.feature_names], parts)
    if not table.num_rows:
        raise NotEnoughGamesError("the warehouse is empty; put a batch into a feed first")
    periods = split(table["game_date"].to_numpy(), table["game_id"].to_numpy())
    rows = Rows(*matrix_of(table, sport), table["made"].to_numpy())
    say(f"fitting on {int(periods.train.sum()):,} shots up to {periods.last_train_date}, parts {', '.join(parts)}")
    ranking = fit_all(rows.take(periods.train), rows.take(periods.validation), sport)
    for fitted, tried in ranking:
        say(f"{fitted.name}: log loss {tried.log_loss:.5f} on validation games, optional inputs left out at random")
    best = ranking[0][0]
    validation = rows.take(periods.validation)
    trainer = best.predict(validation.features, validation.offset)
    graph = to_onnx(best, len(sport.feature_names))
    card = _card(best, graph, sport, table, periods, validation, trainer, run_id, len(state.batches))
    sha256 = bundle.save(folder, graph, card)
    served = bundle.Bundle(card, sha256, bundle.session(graph))
    answers = served.predict(validation.features, validation.offset)
    unseen = rows.take(periods.unseen)
    foretold = served.predict(unseen.features, unseen.offset)
    everything = {name: np.ones(len(unseen), dtype=bool) for name in sport.masks}
    scores = {
        "validation": scoring.score(validation.made, answers),
        "unseen": scoring.score(unseen.made, foretold),
        "minimal": scoring.score(unseen.made, served.predict(sport.mask(unseen.features, everything), unseen.offset)),
    }
    return Trained(
        fitted=best,
        folder=folder,
        sha256=sha256,
        bundle=served,
        defects=defects(served, sport, scores["validation"], trainer, answers),
        candidates={fitted.name: s for fitted, s in ranking},
        scores=scores,
        reliability=scoring.reliability(unseen.made, foretold),
        window={
            "parts": ", ".join(parts),
            "train_shots": int(periods.train.sum()),
            "validation_shots": len(validation),
            "unseen_shots": len(unseen),
            "first_date": card.provenance.first_date,
            "last_train_date": periods.last_train_date,
            "seen_until": periods.seen_until,
        },
        warehouse_shots=state.rows,
    )


def window_of(store: Store) -> list[str]:
    """The newest parts of the warehouse, which a model is trained and judged on."""
    return list(store.warehouse_parts())[-WINDOW_PARTS:]


def data_fingerprint(table: pa.Table) -> str:
    """Digest of the ids and outcomes of rows: the same for the same shots, however they came in."""
    digest = hashlib.sha256("\n".join(table["_id"].to_pylist()).encode())
    digest.update(table["made"].to_numpy().tobytes())
    return digest.hexdigest()[:16]


def _card(
    best: Fitted,
    graph: bytes,
    sport: Sport,
    table: pa.Table,
    periods: Split,
    validation: Rows,
    trainer: np.ndarray,
    run_id: str,
    batches: int,
) -> bundle.Card:
    known = np.linspace(0, len(validation) - 1, min(KNOWN_ANSWERS, len(validation))).astype(int)
    seen = table.filter(pa.array(periods.train | periods.validation))
    return bundle.Card(
        sport=sport.name,
        model=best.name,
        feature_names=list(sport.feature_names),
        schema=sport.schema,
        base_fingerprint=sport.base_fingerprint,
        graph_sha256=bundle.digest(graph),
        known_answers=bundle.KnownAnswers(
            features=validation.features[known].tolist(),
            offset=validation.offset[known].tolist(),
            probability=trainer[known].tolist(),
        ),
        provenance=bundle.Provenance(
            run_id=run_id,
            code_version=__version__,
            data_fingerprint=data_fingerprint(seen),
            batches=batches,
            first_date=str(seen["game_date"][0]),
            last_train_date=periods.last_train_date,
            seen_until=periods.seen_until,
        ),
    )
