"""The only caller of the prediction service. Whatever goes wrong on the way becomes one sentence for a person."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, TypeVar

import httpx
import msgspec

from parivision_core.problems import PariVisionError
from parivision_core.records import Verdict
from parivision_core.sport import FieldProblem, Player

CONNECT_SECONDS, ANSWER_SECONDS = 2.0, 5.0
"""An answer takes milliseconds; whoever waits longer than this is better told so."""

_KEY_WANTED = (401, 403)

T = TypeVar("T")


class NoAnswerError(PariVisionError):
    """The service gave no answer to show; the message says why, `passing` whether asking again later may help."""

    def __init__(self, sentence: str, *, passing: bool) -> None:
        self.passing = passing
        super().__init__(sentence)


class Question(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A shot about to be taken: x and y in tenths of a foot from the hoop, the clock in seconds left in the period."""

    x: float
    y: float
    period: int
    seconds_remaining: float
    player_id: int | None = None
    team: str | None = None
    opponent: str | None = None
    home: bool | None = None
    kind: str | None = None


class ShotView(msgspec.Struct, frozen=True, kw_only=True):
    """What the service derived from the question."""

    distance_feet: float
    zone: int
    zone_name: str
    points: int
    shooter_shots: int


class PredictionView(msgspec.Struct, frozen=True, kw_only=True):
    """The chance of a make, what it compares with, and where it comes from."""

    probability: float
    expected_points: float
    league_average: float
    shot: ShotView
    champion_version: int
    feature_state_through: str | None


class FeatureStateView(msgspec.Struct, frozen=True, kw_only=True):
    """The history state in service."""

    through: str | None
    shots: int


class ProvenanceView(msgspec.Struct, frozen=True, kw_only=True):
    """Where a model came from: ISO dates of the first and last game that it was fitted on."""

    first_date: str
    last_train_date: str


class ChampionView(msgspec.Struct, frozen=True, kw_only=True):
    """The pair of model and feature state that answers now."""

    version: int
    model: str
    registered_at: int
    provenance: ProvenanceView
    feature_state: FeatureStateView
    page: str
    """Address of its version in MLflow's page."""
    reload_problem: str | None = None


class VerdictView(Verdict, frozen=True, kw_only=True):
    """A verdict, and where its candidate can be looked at."""

    page: str


class WindowView(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time that was compared."""

    first_date: str
    last_date: str
    games: int


class ColumnView(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one column of the shots moved."""

    name: str
    alarms: bool


class DriftView(msgspec.Struct, frozen=True, kw_only=True):
    """A report on how far the newest shots have moved from those that a champion was trained on."""

    reported_at: int
    champion: int
    newest: WindowView
    columns: list[ColumnView]
    page: str
    """Address of the whole report."""


class LakeView(msgspec.Struct, frozen=True, kw_only=True):
    """The shots as they came."""

    batches: int
    shots: int
    quarantined: int
    feeds: list[str]
    first_date: str | None
    last_date: str | None


class ServiceView(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a part of the house answers."""

    name: str
    address: str
    up: bool
    problem: str | None = None
    told: str | None = None
    """What it says of itself."""


class _Summary(msgspec.Struct):
    lake: LakeView


class _ProblemView(msgspec.Struct):
    """The part of an RFC 9457 answer that a person is told."""

    detail: str
    errors: list[FieldProblem] = []


class Client:
    """The service at one address; its connections are shared by everyone who looks at the page."""

    def __init__(self, url: str, answer_seconds: float = ANSWER_SECONDS, key: str = "") -> None:
        """Take the service's address, and the API key to send if it asks for one."""
        self.url = url
        self._pages: dict[int, str] = {}
        self._seconds = answer_seconds
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"X-API-Key": key} if key else {},
            timeout=httpx.Timeout(answer_seconds, connect=CONNECT_SECONDS),
        )

    async def predict(self, question: Question) -> PredictionView:
        """The chance that this shot goes in."""
        headers = {"Content-Type": "application/json"}
        body = msgspec.json.encode(question)
        return await self._ask(PredictionView, "POST", "/api/v1/predict", content=body, headers=headers)

    async def players(self, search: str, limit: int) -> list[Player]:
        """Shooters whose name fits what was typed, best first."""
        return await self._ask(list[Player], "GET", "/api/v1/players", params={"search": search, "limit": limit})

    async def champion(self) -> ChampionView:
        """Who answers now."""
        found = await self._ask(ChampionView, "GET", "/api/v1/champion")
        self._pages[found.version] = found.page
        return found

    async def page_of(self, version: int) -> str:
        """Address of a version that answered in MLflow's page; empty when it can't be told."""
        if version not in self._pages:
            with suppress(NoAnswerError):
                await self.champion()
        return self._pages.get(version, "")

    async def verdicts(self, limit: int) -> list[VerdictView]:
        """How the latest candidates were judged, newest first."""
        return await self._ask(list[VerdictView], "GET", "/api/v1/verdicts", params={"limit": limit})

    async def drift(self) -> DriftView | None:
        """The latest drift report; None before the first."""
        found = await self._ask(list[DriftView], "GET", "/api/v1/drift", params={"limit": 1})
        return found[0] if found else None

    async def lake(self) -> LakeView:
        """How many shots there are, and where they come from."""
        return (await self._ask(_Summary, "GET", "/api/v1/data/summary")).lake

    async def services(self) -> list[ServiceView]:
        """Which parts of the house answer now."""
        return await self._ask(list[ServiceView], "GET", "/api/v1/services")

    async def close(self) -> None:
        """End all connections."""
        await self._http.aclose()

    async def _ask(self, kind: type[T], method: str, route: str, **request: Any) -> T:
        """One request; NoAnswerError is the only way in which it fails."""
        try:
            answer = await self._http.request(method, route, **request)
        except httpx.TimeoutException as error:
            sentence = f"The prediction service at {self.url} took longer than {self._seconds:g} seconds."
            raise NoAnswerError(sentence, passing=True) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            sentence = f"The prediction service at {self.url} doesn't answer. Is it running? `make up` starts it."
            raise NoAnswerError(sentence, passing=True) from error
        if answer.status_code in _KEY_WANTED:
            sentence = f"The prediction service at {self.url} wants a key: set PARIVISION_API_KEY to one of its own."
            raise NoAnswerError(sentence, passing=False)
        if answer.is_success:
            try:
                return msgspec.json.decode(answer.content, type=kind)
            except msgspec.DecodeError as error:
                raise self._unintelligible(answer) from error
        raise self._refusal(answer)

    def _refusal(self, answer: httpx.Response) -> NoAnswerError:
        try:
            problem = msgspec.json.decode(answer.content, type=_ProblemView)
        except msgspec.DecodeError:
            return self._unintelligible(answer)
        if problem.errors:
            told = "; ".join(f"{e.field.replace('_', ' ')}: {e.message}" for e in problem.errors)
            return NoAnswerError(f"The question can't be answered as it stands. {told}.", passing=False)
        return NoAnswerError(problem.detail, passing=answer.is_server_error)

    def _unintelligible(self, answer: httpx.Response) -> NoAnswerError:
        return NoAnswerError(
            f"What answers at {self.url} (status {answer.status_code}) doesn't speak like PariVision's service. "
            "PARIVISION_API_URL may lead elsewhere, or the service is of another version.",
            passing=True,
        )
