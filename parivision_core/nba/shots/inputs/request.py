"""The request about a single shot: its fields and limits, and how it becomes one row of model inputs."""

from __future__ import annotations

import datetime
import math
from enum import Enum
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from parivision_core.arrays import Columns
from parivision_core.nba import court
from parivision_core.nba.shots import contract
from parivision_core.nba.shots.history import feature_state
from parivision_core.nba.shots.history.lookup import Lookup
from parivision_core.nba.shots.inputs import features, single
from parivision_core.nba.shots.kinds import KINDS
from parivision_core.nba.teams import ABBREVIATIONS
from parivision_core.sport import FieldProblem, Prepared, RequestProfile

# Made from the tables, so that the API offers exactly the kinds and teams that the features know.
Kind = Enum("Kind", {kind: kind for kind in KINDS}, type=str, module=__name__)  # type: ignore[misc]
Team = Enum("Team", {names[0]: names[0] for names in ABBREVIATIONS.values()}, type=str, module=__name__)  # type: ignore[misc]


X = Annotated[
    float,
    Meta(
        ge=-court.HALF_WIDTH,
        le=court.HALF_WIDTH,
        description="Tenths of a foot to the right of the hoop, facing it from midcourt; negative is left.",
        examples=[-120],
    ),
]
Y = Annotated[
    float,
    Meta(
        ge=court.BASELINE_Y,
        le=court.FAR_BASELINE_Y,
        description="Tenths of a foot from the hoop towards midcourt; the baseline is at -52.",
        examples=[85],
    ),
]
Period = Annotated[
    int, Meta(ge=1, le=contract.MAX_PERIOD, description="1-4 are quarters, 5 and up overtimes.", examples=[4])
]
Clock = Annotated[
    float, Meta(ge=0, le=contract.QUARTER_SECONDS, description="Seconds left in the period.", examples=[35])
]
PlayerId = Annotated[
    int,
    Meta(
        gt=0,
        lt=contract.LARGEST_ID + 1,
        description="The shooter's NBA id; /api/v1/players?search= finds it.",
        examples=[201939],
    ),
]
MOST_EARLIER_SHOTS = 500
"""The longest game ever, with six overtimes, had under 300."""


class EarlierShot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An earlier shot of the same game."""

    x: X
    y: Y
    period: Period
    seconds_remaining: Clock
    made: Annotated[bool, Meta(description="Whether it went in.")]
    player_id: PlayerId | None = None
    team: Annotated[Team, Meta(description="The team that shot.")] | None = None


class ShotRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A shot about to be taken. Only the spot and the clock are needed; each further field sharpens the answer."""

    x: X
    y: Y
    period: Period
    seconds_remaining: Clock
    player_id: PlayerId | None = None
    team: Annotated[Team, Meta(description="The shooter's team.")] | None = None
    opponent: Annotated[Team, Meta(description="The defending team.")] | None = None
    home: Annotated[bool, Meta(description="Whether the shooter's team plays at home.")] | None = None
    rest_days: (
        Annotated[int, Meta(ge=1, le=400, description="Days since the shooter's team last played; 1 is back to back.")]
        | None
    ) = None
    kind: Annotated[Kind, Meta(description="Coarse kind of shot.")] | None = None
    arena: (
        Annotated[
            Team,
            Meta(
                description="Home team of the arena whose scorers recorded the spot. Scorers differ in how they record "
                "distances, so leave it out for a spot that wasn't recorded in an arena."
            ),
        ]
        | None
    ) = None
    earlier_shots: (
        Annotated[
            list[EarlierShot],
            Meta(
                max_length=MOST_EARLIER_SHOTS,
                description="All shots of the game so far, in any order; empty when it is the first, left out when "
                "they aren't known. Only those at an earlier second count.",
            ),
        ]
        | None
    ) = None
    game_date: (
        Annotated[
            str,
            Meta(
                pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
                max_length=10,
                description="ISO date of the game. With date, game and player, the prediction log finds the shot's "
                "outcome once a feed delivers the shot. It doesn't change the probability.",
                examples=["2023-10-24"],
            ),
        ]
        | None
    ) = None
    game_id: (
        Annotated[
            int,
            Meta(
                gt=0,
                lt=contract.LARGEST_ID + 1,
                description="The NBA's id of the game; see `game_date`.",
                examples=[22300061],
            ),
        ]
        | None
    ) = None


_NOT_ON_COURT = ("kind", "arena", "earlier_shots", "rest_days")
PROFILES = {
    "official record": RequestProfile(0.3, {}),
    "official record without kind": RequestProfile(0.25, {"kind": 1.0}),
    "clicked spot": RequestProfile(0.2, dict.fromkeys(_NOT_ON_COURT, 1.0)),
    "spot and clock alone": RequestProfile(0.1, dict.fromkeys(features.MASKS, 1.0)),
    "anything": RequestProfile(0.15, dict.fromkeys(features.MASKS, 0.5)),
}
"""The profiles of requests: a program with the whole record, one that asks before the kind is known, a person on the
page, a minimal request, and everything else."""


class ShotDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What was derived from the request."""

    distance_feet: float
    zone: int
    zone_name: str
    points: int
    shooter: Annotated[
        Literal["known", "unknown", "not given"],
        Meta(
            description="Whether the feature state knows the shooter; the answer for an unknown one is that for an "
            "average shooter."
        ),
    ]
    shooter_shots: Annotated[
        int, Meta(description="Earlier shots of the shooter that the feature state knows; 0 if unknown.")
    ]


def problems(request: ShotRequest) -> list[FieldProblem]:
    """Problems that the fields' own limits can't show.

    A clock longer than the period, a team that plays itself, a third team's arena, a date that doesn't exist.
    """
    found = []
    shots: list[tuple[str, ShotRequest | EarlierShot]] = [("", request)]
    shots += ((f"earlier_shots[{i}].", s) for i, s in enumerate(request.earlier_shots or ()))
    for prefix, shot in shots:
        longest = contract.period_seconds(shot.period)
        if shot.seconds_remaining > longest:
            found.append(FieldProblem(f"{prefix}seconds_remaining", f"period {shot.period} lasts {longest} seconds"))
    if request.team is not None and request.team == request.opponent:
        found.append(FieldProblem("opponent", "a team can't defend against itself"))
    if request.team and request.opponent and request.arena not in (None, request.team, request.opponent):
        found.append(FieldProblem("arena", "it is the home team, so it must be the team or the opponent"))
    hosts = request.team if request.home else request.opponent
    if request.home is not None and request.arena and hosts and request.arena != hosts and not found:
        found.append(FieldProblem("arena", "it must be the team that plays at home"))
    if request.game_date is not None and not is_day(request.game_date):
        found.append(FieldProblem("game_date", "there is no such day"))
    return found


def is_day(iso_date: str) -> bool:
    """Whether the date exists."""
    try:
        datetime.date.fromisoformat(iso_date)
    except ValueError:
        return False
    return True


def shot_columns(request: ShotRequest) -> Columns:
    """The request as columns, with the contract's markers for what was left out.

    One row; where the game so far is given, the earlier shots come before it, with their outcomes.
    """
    earlier = request.earlier_shots or []
    shots: list[ShotRequest | EarlierShot] = [*earlier, request]
    columns: Columns = {
        "x": np.array([shot.x for shot in shots]),
        "y": np.array([shot.y for shot in shots]),
        "period": np.array([shot.period for shot in shots]),
        "seconds_remaining": np.array([shot.seconds_remaining for shot in shots]),
        "player_id": np.array([shot.player_id or 0 for shot in shots]),
        "team": np.array([_text(shot.team) for shot in shots]),
        **{name: np.array([_text(getattr(request, name))] * len(shots)) for name in ("opponent", "kind", "arena")},
        "home": np.full(len(shots), -1 if request.home is None else int(request.home)),
        "rest_days": np.full(len(shots), request.rest_days or 0),
    }
    if request.earlier_shots is not None:
        columns |= {"made": np.array([*(shot.made for shot in earlier), False]), "game_id": np.zeros(len(shots))}
    return columns


def _text(value: Enum | None) -> str:
    # The text itself: an enum's `value` costs a microsecond.
    return "" if value is None else str.__str__(value)


def shot_key(request: ShotRequest) -> str | None:
    """The fields of contract.IDENTITY as joined in the lake's ids; None when the request doesn't give all of them."""
    if request.game_date is None or request.game_id is None or request.player_id is None:
        return None
    second = int(request.seconds_remaining)
    if second != request.seconds_remaining:  # the lake knows whole seconds
        return None
    return f"{request.game_date}:{request.game_id}:{request.player_id}:{request.period}:{second}"


def prepare(request: ShotRequest, current: feature_state.FeatureState) -> Prepared:
    """Model inputs of one request as of the current feature state, equal to those that training builds for the shot."""
    built = _with_its_game(request, current) if request.earlier_shots else _alone(request, current.lookup)
    return Prepared(
        features=built.row,
        offset=np.array([built.base_logit], dtype=np.float32),
        points=built.points,
        league_average=1 / (1 + math.exp(-built.base_logit)),
        details=ShotDetails(
            distance_feet=round(built.distance / court.TENTHS_PER_FOOT, 1),
            zone=built.zone,
            zone_name=court.ZONES[built.zone],
            points=built.points,
            shooter="not given" if request.player_id is None else "known" if built.shooter_shots else "unknown",
            shooter_shots=built.shooter_shots,
        ),
        shooter_shots=built.shooter_shots,
    )


def _alone(request: ShotRequest, look: Lookup) -> single.SingleShot:
    return single.build(
        look,
        x=request.x,
        y=request.y,
        period=request.period,
        seconds_remaining=request.seconds_remaining,
        shooter=request.player_id or 0,
        team=_text(request.team),
        opponent=_text(request.opponent),
        home=request.home,
        rest_days=request.rest_days or 0,
        kind=_text(request.kind),
        arena=_text(request.arena),
    )


def _with_its_game(request: ShotRequest, current: feature_state.FeatureState) -> single.SingleShot:
    columns = shot_columns(request)
    history = feature_state.look_up(current, columns).part(slice(-1, None))
    matrix, _ = features.build({name: column[-1:] for name, column in columns.items()}, history)
    spots = history.spots
    return single.SingleShot(
        row=matrix,
        base_logit=float(history.base_logit[0]),
        distance=float(spots.distance[0]),
        zone=int(spots.zone[0]),
        points=int(spots.points[0]),
        shooter_shots=int(history.sums["shooter"][0, 2]),
    )
