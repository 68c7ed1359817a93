"""The page's HTTP client of the prediction service; every failure becomes one sentence for a person."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, TypeVar

import httpx
import msgspec

from parivision_core.problems import PariVisionError
from parivision_core.records import Verdict
from parivision_core.sport import FieldProblem, Player

CONNECT_SECONDS, ANSWER_SECONDS = 2.0, 5.0
"""An answer takes milliseconds; after this time the page reports a failure."""

_KEY_WANTED = (401, 403)

T = TypeVar("T")


class NoAnswerError(PariVisionError):
    """There is no answer to show; the message says why, `passing` whether a later request may succeed."""

    def __init__(self, message: str, *, passing: bool) -> None:
        self.passing = passing
        super().__init__(message)


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
    """What the service derived from the request."""

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
    """The feature state in service."""

    through: str | None
    shots: int


class ProvenanceView(msgspec.Struct, frozen=True, kw_only=True):
    """What a model was fitted on: ISO dates of the first and last game."""

    first_date: str
    last_train_date: str


class ChampionView(msgspec.Struct, frozen=True, kw_only=True):
    """The model and the feature state that answer now."""

    version: int
    model: str
    registered_at: int
    provenance: ProvenanceView
    feature_state: FeatureStateView
    page: str
    """Address of this version in MLflow."""
    reload_problem: str | None = None


class VerdictView(Verdict, frozen=True, kw_only=True):
    """A verdict, and the address of its candidate in MLflow."""

    page: str


class WindowView(msgspec.Struct, frozen=True, kw_only=True):
    """A time window that was compared."""

    first_date: str
    last_date: str
    games: int


class ColumnView(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one column of the shots has drifted."""

    name: str
    alarms: bool


class DriftView(msgspec.Struct, frozen=True, kw_only=True):
    """A report on how far the newest shots differ from those that a champion was trained on."""

    reported_at: int
    champion: int
    newest: WindowView
    columns: list[ColumnView]
    page: str
    """Address of the full report."""


class LakeView(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the lake."""

    batches: int
    shots: int
    quarantined: int
    feeds: list[str]
    first_date: str | None
    last_date: str | None


class ServiceView(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a service of the platform answers."""

    name: str
    address: str
    up: bool
    problem: str | None = None
    details: str | None = None
    """What it is doing, in words; only the feed reports that."""


class _Summary(msgspec.Struct):
    lake: LakeView


class _ProblemView(msgspec.Struct):
    """The part of an RFC 9457 answer that is shown."""

    detail: str
    errors: list[FieldProblem] = []


class Client:
    """The service at one address; all visitors of the page share its connections."""

    def __init__(self, url: str, answer_seconds: float = ANSWER_SECONDS, key: str = "") -> None:
        """`key` is the API key to send, where the service asks for one."""
        self.url = url
        self._pages: dict[int, str] = {}
        self._seconds = answer_seconds
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"X-API-Key": key} if key else {},
            timeout=httpx.Timeout(answer_seconds, connect=CONNECT_SECONDS),
        )

    async def predict(self, question: Question) -> PredictionView:
        """The prediction for a shot."""
        headers = {"Content-Type": "application/json"}
        body = msgspec.json.encode(question)
        return await self._ask(PredictionView, "POST", "/api/v1/predict", content=body, headers=headers)

    async def players(self, search: str, limit: int) -> list[Player]:
        """Shooters whose name fits what was typed, best first."""
        return await self._ask(list[Player], "GET", "/api/v1/players", params={"search": search, "limit": limit})

    async def champion(self) -> ChampionView:
        """The champion in service."""
        found = await self._ask(ChampionView, "GET", "/api/v1/champion")
        self._pages[found.version] = found.page
        return found

    async def page_of(self, version: int) -> str:
        """Address in MLflow of a version that has answered; empty when it isn't known."""
        if version not in self._pages:
            with suppress(NoAnswerError):
                await self.champion()
        return self._pages.get(version, "")

    async def verdicts(self, limit: int) -> list[VerdictView]:
        """The latest verdicts, newest first."""
        return await self._ask(list[VerdictView], "GET", "/api/v1/verdicts", params={"limit": limit})

    async def drift(self) -> DriftView | None:
        """The latest drift report; None before the first."""
        found = await self._ask(list[DriftView], "GET", "/api/v1/drift", params={"limit": 1})
        return found[0] if found else None

    async def lake(self) -> LakeView:
        """The content of the lake, and where it comes from."""
        return (await self._ask(_Summary, "GET", "/api/v1/data/summary")).lake

    async def services(self) -> list[ServiceView]:
        """The services of the platform, and whether they answer."""
        return await self._ask(list[ServiceView], "GET", "/api/v1/services")

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _ask(self, kind: type[T], method: str, route: str, **request: Any) -> T:
        """One request; raises nothing but NoAnswerError."""
        try:
            answer = await self._http.request(method, route, **request)
        except httpx.TimeoutException as error:
            message = f"The prediction service at {self.url} took longer than {self._seconds:g} seconds."
            raise NoAnswerError(message, passing=True) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            message = f"The prediction service at {self.url} doesn't answer. Is it running? `make up` starts it."
            raise NoAnswerError(message, passing=True) from error
        if answer.status_code in _KEY_WANTED:
            message = f"The prediction service at {self.url} needs an API key: set PARIVISION_API_KEY."
            raise NoAnswerError(message, passing=False)
        if answer.is_success:
            try:
                return msgspec.json.decode(answer.content, type=kind)
            except msgspec.DecodeError as error:
                raise self._unreadable(answer) from error
        raise self._refusal(answer)

    def _refusal(self, answer: httpx.Response) -> NoAnswerError:
        try:
            problem = msgspec.json.decode(answer.content, type=_ProblemView)
        except msgspec.DecodeError:
            return self._unreadable(answer)
        if problem.errors:
            reasons = "; ".join(f"{e.field.replace('_', ' ')}: {e.message}" for e in problem.errors)
            return NoAnswerError(f"The question can't be answered as it stands. {reasons}.", passing=False)
        return NoAnswerError(problem.detail, passing=answer.is_server_error)

    def _unreadable(self, answer: httpx.Response) -> NoAnswerError:
        return NoAnswerError(
            f"The answer from {self.url} (status {answer.status_code}) isn't one of PariVision's service. "
            "PARIVISION_API_URL may be wrong, or the service is of another version.",
            passing=True,
        )
