"""The prediction log: every request, its answer, the champion and feature state behind it, and the outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parivision_core.prediction_log.base import PredictionLog
    from parivision_core.settings import Settings
    from parivision_core.sport import Sport


def open_prediction_log(settings: Settings, sport: Sport) -> PredictionLog:
    """The prediction log of one sport: on MongoDB where the settings name one, else in the state folder.

    Raises ConfigurationError for a URL that can't be used and StoreError for a file that can't be opened. MongoDB
    is contacted on first use only, so that a service can start before it.
    """
    if settings.mongo_url:
        from parivision_core.prediction_log.mongo import MongoPredictionLog  # noqa: PLC0415 - imported where used
        from parivision_core.store.mongo import connect  # noqa: PLC0415 - see above

        prefix = "".join(f"{part}_" for part in sport.asset_prefix)
        return MongoPredictionLog(connect(settings.mongo_url), prefix)
    from parivision_core.prediction_log.sqlite import SqlitePredictionLog  # noqa: PLC0415 - see above

    return SqlitePredictionLog(settings.home / "prediction_log" / f"{sport.name}.sqlite")
