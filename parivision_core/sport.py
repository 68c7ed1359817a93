"""What a sport provides. The other packages use a sport only through this module; none of them names its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from parivision_core.arrays import Array, Bools, Columns, Float32s, Floats, Ints
from parivision_core.records import FeatureStateRecord

if TYPE_CHECKING:
    import pandas as pd

Details = Mapping[str, str | int | float]


class FieldProblem(msgspec.Struct, frozen=True):
    """What is wrong with one field of a request."""

    field: str
    message: str


class Player(msgspec.Struct, frozen=True, kw_only=True):
    """A player whose shots are in the feature state."""

    player_id: Annotated[int, Meta(description="As a prediction takes it.")]
    name: Annotated[str, Meta(description="As in the latest shot.")]
    team: Annotated[
        str | None, Meta(description="The team of the latest shot, as a prediction takes it; null where none is known.")
    ]
    shots: Annotated[int, Meta(description="Shots in the feature state.")]
    last_date: Annotated[str, Meta(description="ISO date of the latest shot.")]


class TeamCard(msgspec.Struct, frozen=True, kw_only=True):
    """A team and its names."""

    team_id: Annotated[int, Meta(description="As in official records.", examples=[1610612751])]
    abbreviation: Annotated[str, Meta(description="The current one, as a prediction takes it.", examples=["BKN"])]
    former_abbreviations: Annotated[
        tuple[str, ...], Meta(description="Of earlier years, as in their shots.", examples=[["NJN"]])
    ]
    city: Annotated[str, Meta(examples=["Brooklyn"])]
    name: Annotated[str, Meta(description="City and nickname.", examples=["Brooklyn Nets"])]


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """How often shots of one group go in, by the current feature state."""

    group: str
    weight: Annotated[float, Meta(description="Shots behind the rate; each counts less the older it is.")]
    make_rate: float


@dataclass(frozen=True)
class Filter:
    """A field of the contract by which shots can be searched."""

    kind: type[int] | type[str] | type[bool]
    description: str
    example: int | str | bool
    least: int | None = None
    most: int | None = None
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Text that a search may give -> the values of the field that it stands for; empty when any text may be given."""


@dataclass(frozen=True)
class Original:
    """The request of the system that this one replaces, whose callers need not change."""

    request: type[msgspec.Struct]
    """Unknown fields are ignored, and numbers may be text, as they could be there."""
    description: str
    """What callers have to know, for the OpenAPI page."""
    problems: Callable[[Any], list[FieldProblem]]
    """Problems of a well-typed request."""
    translate: Callable[[Any], Any]
    """A request without problems -> the same as a `Sport.request`."""


@dataclass(frozen=True)
class Parsed:
    """A batch translated into a sport's contract, row for row; `reasons` (n,) is empty text where a row is valid."""

    shots: pd.DataFrame
    reasons: NDArray[np.object_]
    layout: str
    details: dict[str, str | int | float]
    """What the layout inferred about the batch, such as unit and hand."""


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """One request ready for a bundle: features (1, k), offset (1,), and what the answer says about the shot."""

    features: Float32s
    offset: Float32s
    points: int
    """Points of a make."""
    league_average: float
    """Make rate of the league from this spot as of the feature state: the offset as a probability."""
    details: msgspec.Struct
    shooter_shots: int = 0
    """Earlier shots of the shooter that the feature state knows."""


@dataclass(frozen=True)
class PreparedMany:
    """Many requests ready for a bundle: features (n, k), offset (n,), and the points of each shot."""

    features: Float32s
    offset: Float32s
    points: Array
    """Points of a make, (n,)."""
    league_average: Floats
    """See `Prepared`, (n,)."""


@dataclass(frozen=True)
class Occlusions:
    """One request, and then the same with one of its parts hidden: rows (m, k) for a bundle."""

    features: Float32s
    offset: Float32s
    names: tuple[str, ...]
    """The parts."""
    hidden: Ints
    """Index of the part that a row hides, (m - 1,), of all rows but the first."""
    weights: Floats
    """Weight of each such row in the mean of its part, (m - 1,); those of a part sum to 1."""
    league_make_rate: float
    """Make rate of the league over all its shots."""


@dataclass(frozen=True)
class Surface:
    """What shots are taken on, for drawing maps."""

    name: str
    """As in the address of a map."""
    query: type[msgspec.Struct]
    """Query of a map's address; frozen, with a default for each field."""
    problems: Callable[[Any], list[FieldProblem]]
    """Problems of a well-typed query."""
    places: Callable[[Any], tuple[Floats, Floats, Columns]]
    """Axes x (a,) and y (b,) of the map, and columns (a * b,) of a request for each point, ordered by y and then x."""


@dataclass(frozen=True)
class RequestProfile:
    """One way in which people and programs use the API, by the inputs that they leave out."""

    share: float
    """Share of the training rows that are masked as such a request would be."""
    leaves_out: Mapping[str, float]
    """Optional input -> the chance that it is left out."""


@dataclass(frozen=True)
class Monitored:
    """One column that drift reports compare, derived from feature columns."""

    name: str
    features: tuple[str, ...]
    reading: Literal["number", "category", "origin"] = "number"
    """number: the feature; category: its value as a name, or which of several is 1; origin: whether all are 0."""
    watched: bool = True
    """Whether its drift alarms. Columns that move by construction, or repeat a watched one, are only reported."""


@dataclass(frozen=True)
class Sport:
    """The domain of one sport, as data and functions."""

    name: str
    registered_model: str
    lake: str
    """Collection of raw shots."""
    warehouse: str
    """Collection of feature rows."""
    asset_prefix: tuple[str, ...]
    """Prefix of the sport's asset keys."""

    fields: Mapping[str, str]
    """The contract: field -> Arrow type. Every sport has `game_date`, `game_id`, `season`, `made` and `event_id`."""
    identity: tuple[str, ...]
    """Fields that identify a shot."""
    match: tuple[str, ...]
    """Fields that match a shot among those with the same identity."""
    parse: Callable[[pd.DataFrame, Details | None], Parsed]
    """A batch of text columns, and details known of the batch it was taken from -> the contract."""

    feature_names: tuple[str, ...]
    schema: str
    base_fingerprint: str
    monitored: tuple[Monitored, ...]
    """What drift reports compare of a shot, besides its outcome and prediction."""
    masks: Mapping[str, tuple[str, ...]]
    """Optional input -> feature columns that are 0 without it."""
    profiles: Mapping[str, RequestProfile]
    """The request profiles that one model has to serve, by name; their shares sum to 1."""
    plausible_accuracy: float
    """Accuracy that no honest model exceeds; one that does has seen what it must not see."""
    empty_feature_state: Callable[[], Any]
    load_feature_state: Callable[[FeatureStateRecord], Any]
    warm_up: Callable[[Any], None]
    """Compute what a feature state needs for single shots and for the search by name, once."""
    fold: Callable[[Any, Columns], tuple[Float32s, Float32s, Any]]
    """Feature state and later shots -> features (n, k), offset (n,), the feature state after them."""
    baseline: Callable[[Float32s, Array, Float32s], Floats]
    """Training features and outcomes, features to predict -> the probabilities the first champion must beat."""
    part_of: Callable[[str], str]
    """ISO date -> name of the part of the warehouse that it belongs to; names sort in the order of time."""
    part_bounds: Callable[[str], tuple[str, str]]
    """Name of a part -> its first and last ISO date."""
    breakdown: Callable[[Columns], list[tuple[str, int, float]]]
    """Shots -> (group, shots, make rate) for people to read."""
    check_location: Callable[[Columns], float]
    """Shots -> share whose location agrees with what the source states about it."""

    request: type[msgspec.Struct]
    details: type[msgspec.Struct]
    problems: Callable[[Any], list[FieldProblem]]
    """Problems of a well-typed request."""
    shot_key: Callable[[Any], str | None]
    """Request -> key of its shot, None when it isn't identified: the lake's `_id` without the occurrence.

    It begins with the shot's ISO date.
    """
    prepare: Callable[[Any, Any], Prepared]
    """Request and feature state -> model inputs, by the same builder as training."""
    doubtful: Callable[[Columns], Bools]
    """Columns of requests, as for `prepare_many` -> rows (n,) that may have problems; the others have none."""
    prepare_many: Callable[[Columns, Any], PreparedMany]
    """Requests without problems, as columns (n,) by field, and feature state -> model inputs, as `prepare` gives them.

    What was left out is 0, for a boolean -1 (true is 1), for a text empty, for a list None; the members of an enum are
    numbered from 1. A list that no request has is no column.
    """
    occlusions: Callable[[Any, Any], Occlusions]
    """Request and feature state -> rows that explain its probability."""
    surface: Surface
    shot_keys: Callable[[Columns], list[tuple[int, str]]]
    """The same columns -> row and `shot_key` of each that has one."""
    find_players: Callable[[Any, str, int], list[Player]]
    """Feature state, words of a name, limit -> matching players, best match first; without words, most shots first."""
    teams: tuple[TeamCard, ...]
    filters: Mapping[str, Filter]
    """Fields of the contract by which shots can be searched, besides a range of days."""
    rates: Callable[[Any], list[Rate]]
    """Feature state -> make rate of each group of shots as of now."""
    original: Original
    from_afar: Callable[[Any], bool]
    """Whether a request is about a shot from farther away than most: such requests simulate drift."""

    def left_out(self, rows: int, rng: np.random.Generator) -> dict[str, Bools]:
        """Optional input -> whether it is left out of each row, (rows,); each row follows one random profile."""
        profiles = list(self.profiles.values())
        profile = rng.choice(len(profiles), size=rows, p=[p.share for p in profiles])
        chances = ([p.leaves_out.get(name, 0.0) for p in profiles] for name in self.masks)
        return {
            name: rng.random(rows) < np.array(chance)[profile] for name, chance in zip(self.masks, chances, strict=True)
        }

    def masked_as(self, profile: str, matrix: Float32s) -> Float32s:
        """Features (n, k) as requests of a profile would have them, without everything that these may leave out."""
        left_out = self.profiles[profile].leaves_out
        return self.mask(matrix, {name: np.ones(len(matrix), dtype=np.bool_) for name in left_out})

    def mask(self, matrix: Float32s, missing: Mapping[str, Bools]) -> Float32s:
        """A copy of features (n, k) as if each optional input were left out on the rows marked (n,) in `missing`."""
        masked = matrix.copy()
        for name, rows in missing.items():
            for column in self.masks[name]:
                masked[rows, self.feature_names.index(column)] = 0.0
        return masked
