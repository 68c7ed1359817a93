"""`make evaluate`: print the champion's scores on games that it hasn't seen."""

from __future__ import annotations

import math
import sys

import msgspec

from parivision_assets.reporting import table
from parivision_assets.steps.promotion.evaluating import Evaluation, evaluate
from parivision_assets.tracking.registry import ModelRegistry
from parivision_core.nba.shots import NBA
from parivision_core.problems import NotEnoughGamesError, PariVisionError
from parivision_core.rights import keep_private
from parivision_core.settings import Settings
from parivision_core.store import open_store


def report(evaluation: Evaluation, version: int) -> str:
    """The scores and the reliability as tables."""
    rows = list(evaluation.scores.items())
    names = [f for f in msgspec.structs.asdict(rows[0][1]) if f != "rows"]
    scores = table(["", *names], [(name, *(_number(getattr(s, f)) for f in names)) for name, s in rows])
    bins = [(f"{b.predicted:.3f}", f"{b.observed:.3f}", f"{b.count:,}") for b in evaluation.reliability]
    shots = rows[0][1].rows
    return (
        f"Version {version} on {shots:,} shots of {evaluation.games} games, "
        f"{evaluation.first_date} to {evaluation.last_date}:\n\n"
        f"{scores}\n\n{table(['predicted', 'made', 'shots'], bins)}"
    )


def _number(value: float) -> str:
    """A score; a dash for one that isn't defined, such as the slope of a constant."""
    return f"{value:.4f}" if math.isfinite(value) else "-"


def main() -> int:
    """Print the report for the registry and store that the environment names; the exit code."""
    try:
        settings = Settings.from_env()
        print(f"The champion of {settings.home}", file=sys.stderr)
        registry = ModelRegistry(settings.tracking_uri, NBA.registered_model)
        version = registry.champion()
        if version is None:
            raise NotEnoughGamesError("there is no champion yet: train one with `make up` or `make refresh`")
        print(report(evaluate(registry.bundle(version), open_store(settings, NBA), NBA), version))
    except PariVisionError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    keep_private()
    sys.exit(main())
