"""`make batch`: request predictions for the newest shots of the lake from the running API, one after the other.

It shows that the service answers, how fast, and how close its predictions are to the outcomes. The served feature state
has these shots in it, so the scores are a little better than those of real predictions, which `make evaluate` measures.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import httpx
import msgspec
import numpy as np

from parivision_core.nba.shots import NBA
from parivision_core.problems import NotEnoughGamesError, PariVisionError, RegistryError
from parivision_core.rights import keep_private
from parivision_core.scoring import losses
from parivision_core.settings import Settings
from parivision_core.sport import Sport
from parivision_core.store import open_store
from parivision_core.store.base import Store

SHOTS = 200


def newest_shots(store: Store, sport: Sport, count: int) -> list[dict[str, Any]]:
    """The last shots of the lake's last batches, with their outcome, newest first.

    Raises NotEnoughGamesError for an empty lake.
    """
    found: list[dict[str, Any]] = []
    batches = sorted((m for m in store.manifests() if m.last_date), key=lambda m: str(m.last_date), reverse=True)
    for batch in batches:
        shots = store.lake(list(sport.fields), batch=batch.batch_id)
        if shots.num_rows:  # of a withdrawn batch, none stands
            found += shots.sort_by([("game_date", "descending")]).slice(0, count - len(found)).to_pylist()
        if len(found) == count:
            break
    if not found:
        raise NotEnoughGamesError("the lake is empty: start `make up`, or put a season file into the inbox")
    return found


def request_for(shot: dict[str, Any], sport: Sport) -> dict[str, Any]:
    """The body of a request for a shot of the lake, without fields that are missing or that the API wouldn't accept."""
    body = {}
    for field in msgspec.structs.fields(sport.request):
        with suppress(msgspec.ValidationError, KeyError):
            body[field.name] = msgspec.to_builtins(msgspec.convert(shot[field.name], field.type, strict=False))
    return body


def predict_all(url: str, key: str, requests: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[float]]:
    """The API's answers and the seconds that each took; `key` is sent unless it is empty.

    Raises RegistryError when the API doesn't answer or has no champion.
    """
    answers, seconds = [], []
    with httpx.Client(base_url=url, timeout=10, headers={"X-API-Key": key} if key else {}) as api:
        for body in requests:
            began = time.perf_counter()
            try:
                answer = api.post("/api/v1/predict", json=body)
            except httpx.HTTPError as error:
                raise RegistryError(
                    f"the API doesn't answer at {url} ({error}); is `make up` running in the folder that "
                    "PARIVISION_HOME names? For an API elsewhere set PARIVISION_API_URL"
                ) from error
            if answer.is_error:
                raise RegistryError(f"the API answers {answer.status_code}: {_detail(answer)}")
            seconds.append(time.perf_counter() - began)
            answers.append(answer.json())
    return answers, seconds


def _detail(answer: httpx.Response) -> str:
    """The detail of a problem+json answer, else the beginning of the text, which may come from a proxy."""
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]


def main(arguments: Sequence[str] | None = None) -> int:
    """Request the predictions and print a summary; the exit code."""
    parser = argparse.ArgumentParser(prog="make batch", description=__doc__)
    parser.add_argument("--shots", type=int, default=SHOTS, help=f"how many shots, {SHOTS} by default")
    chosen = parser.parse_args(arguments)
    try:
        settings = Settings.from_env()
        store = open_store(settings, NBA)
        shots = newest_shots(store, NBA, max(chosen.shots, 1))
        stamps = {store.feature_state_stamp()}
        requests = (request_for(shot, NBA) for shot in shots)
        answers, seconds = predict_all(settings.api_url, settings.api_key, requests)
        stamps.add(store.feature_state_stamp())
        if stamps.isdisjoint(answer["feature_state_stamp"] for answer in answers):
            raise RegistryError(
                f"the API at {settings.api_url} belongs to another deployment than {settings.home}: set "
                "PARIVISION_HOME and PARIVISION_API_PORT to those of the same deployment"
            )
    except PariVisionError as error:
        print(error, file=sys.stderr)
        return 1
    made = np.array([shot["made"] for shot in shots])
    predicted, league = (np.array([answer[name] for answer in answers]) for name in ("probability", "league_average"))
    versions = ", ".join(str(v) for v in sorted({answer["champion_version"] for answer in answers}))
    median, slow = np.percentile(np.array(seconds) * 1000, [50, 99])
    print(
        f"{len(answers)} shots, {shots[-1]['game_date']} to {shots[0]['game_date']}, answered by version {versions} in "
        f"{median:.1f} ms each (99 % within {slow:.1f} ms)\n"
        f"predicted {predicted.mean():.1%}, made {made.mean():.1%}; log loss {losses(made, predicted).mean():.4f}, "
        f"of the league's average {losses(made, league).mean():.4f}"
    )
    return 0


if __name__ == "__main__":
    keep_private()
    sys.exit(main())
