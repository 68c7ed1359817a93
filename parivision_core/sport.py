"""What a sport provides. The other rooms know a sport through this alone; none of them names its parts."""

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
    """A player whose shots the feature state has seen."""

    player_id: Annotated[int, Meta(description="As a prediction takes it.")]
    name: Annotated[str, Meta(description="As the latest shot has it.")]
    team: Annotated[
        str | None, Meta(description="The team of the latest shot, as a prediction takes it; null where none is known.")
    ]
    shots: Annotated[int, Meta(description="Shots that the feature state has seen.")]
    last_date: Annotated[str, Meta(description="ISO date of the latest shot.")]


class TeamCard(msgspec.Struct, frozen=True, kw_only=True):
    """A team and its names."""

    team_id: Annotated[int, Meta(description="As official records name it.", examples=[1610612751])]
    abbreviation: Annotated[str, Meta(description="Of today, as a prediction takes it.", examples=["BKN"])]
    former_abbreviations: Annotated[
        tuple[str, ...], Meta(description="Of earlier years, as their shots have them.", examples=[["NJN"]])
    ]
    city: Annotated[str, Meta(examples=["Brooklyn"])]
    name: Annotated[str, Meta(description="City and nickname.", examples=["Brooklyn Nets"])]


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """How often shots of one group go in, as the feature state sees it now."""

    group: str
    weight: Annotated[float, Meta(description="Shots behind the rate; each counts less the older it is.")]
    make_rate: float


@dataclass(frozen=True)
class Filter:
    """A field of the contract by which shots can be chosen."""

    kind: type[int] | type[str] | type[bool]
    description: str
    example: int | str | bool
    least: int | None = None
    most: int | None = None
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Text that can be asked for -> the values of the field that it stands for; empty for any text."""


@dataclass(frozen=True)
class Original:
    """How callers of the system that this one replaces ask."""

    request: type[msgspec.Struct]
    """Fields that it doesn't know are passed over, and numbers may come as text, as they might then."""
    description: str
    """What its callers have to know, for the OpenAPI page."""
    problems: Callable[[Any], list[FieldProblem]]
    """What a well-typed request says that contradicts itself."""
    translate: Callable[[Any], Any]
    """A request without problems -> the request of today."""


@dataclass(frozen=True)
class Parsed:
    """A batch translated into a sport's contract, row for row; `reasons` (n,) is empty text where a row is sound."""

    shots: pd.DataFrame
    reasons: NDArray[np.object_]
    layout: str
    details: dict[str, str | int | float]
    """What the layout inferred about the batch, such as unit and hand."""


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """One request ready for a bundle: features (1, k), offset (1,), and what to tell the caller about the shot."""

    features: Float32s
    offset: Float32s
    points: int
    """What a make is worth."""
    league_average: float
    """Make rate of the league from this spot as of the feature state: what the offset says, as a probability."""
    details: msgspec.Struct
    shooter_shots: int = 0
    """Earlier shots of the shooter that the feature state knows."""


@dataclass(frozen=True)
class PreparedMany:
    """Many requests ready for a bundle: features (n, k), offset (n,), and what each shot is worth."""

    features: Float32s
    offset: Float32s
    points: Array
    """What a make is worth, (n,)."""
    league_average: Floats
    """As of Prepared, (n,)."""


@dataclass(frozen=True)
class Occlusions:
    """One request, and then as if one of its parts weren't known: rows (m, k) for a bundle."""

    features: Float32s
    offset: Float32s
    names: tuple[str, ...]
    """The parts."""
    hidden: Ints
    """Index of the part that a row hides, (m - 1,): of all rows but the first."""
    weights: Floats
    """How much of its part's mean such a row makes, (m - 1,); those of each part sum to 1."""
    league_make_rate: float
    """Make rate of the league over all its shots."""


@dataclass(frozen=True)
class Surface:
    """What shots are taken on, for maps."""

    name: str
    """As the address of a map has it."""
    query: type[msgspec.Struct]
    """What a map's address is asked; frozen, with a default for each field."""
    problems: Callable[[Any], list[FieldProblem]]
    """What a well-typed query still gets wrong."""
    places: Callable[[Any], tuple[Floats, Floats, Columns]]
    """Axes x (a,) and y (b,) of the map, and columns (a * b,) of a request for each place, by y and then x."""


@dataclass(frozen=True)
class RequestProfile:
    """One way in which people and programs ask, by what they leave out."""

    share: float
    """Of the training rows that are seen as this caller would ask about them."""
    leaves_out: Mapping[str, float]
    """Optional input -> the chance that it is left out."""


@dataclass(frozen=True)
class Monitored:
    """One column that drift reports compare, read off feature columns."""

    name: str
    features: tuple[str, ...]
    reading: Literal["number", "category", "origin"] = "number"
    """The feature as a number; its value as a name, or which of several is 1; whether all of them are exactly 0."""
    watched: bool = True
    """Whether its drift alarms. What moves by construction, or only repeats a watched column, is reported alone."""


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
    """Fields that name a shot."""
    match: tuple[str, ...]
    """Fields that recognise a shot among those sharing its identity."""
    parse: Callable[[pd.DataFrame, Details | None], Parsed]
    """A batch of text columns, and what is known already of where it was taken from -> the contract."""

    feature_names: tuple[str, ...]
    schema: str
    base_fingerprint: str
    monitored: tuple[Monitored, ...]
    """What drift reports compare of a shot, beside what came of it and what was predicted."""
    masks: Mapping[str, tuple[str, ...]]
    """Optional input -> feature columns that are 0 without it."""
    callers: Mapping[str, RequestProfile]
    """The ways of asking that one model has to answer, by name; their shares sum to 1."""
    plausible_accuracy: float
    """Share of outcomes that no honest model foretells; one that does better has seen what it shouldn't."""
    empty_feature_state: Callable[[], Any]
    load_feature_state: Callable[[FeatureStateRecord], Any]
    warm_up: Callable[[Any], None]
    """Prepare what a feature state lays out for single shots and for the search by name, once per feature state."""
    fold: Callable[[Any, Columns], tuple[Float32s, Float32s, Any]]
    """Feature state and later shots -> features (n, k), offset (n,), the feature state after them."""
    baseline: Callable[[Float32s, Array, Float32s], Floats]
    """Training features and outcomes, features to predict -> the probabilities the first champion must beat."""
    part_of: Callable[[str], str]
    """ISO date -> name of the part of the warehouse it belongs to; parts follow each other in time and name."""
    part_bounds: Callable[[str], tuple[str, str]]
    """Name of a part -> its first and last ISO date."""
    breakdown: Callable[[Columns], list[tuple[str, int, float]]]
    """Shots -> (group, shots, make rate) for a person to read."""
    check_location: Callable[[Columns], float]
    """Shots -> share whose location agrees with what the source stated about it."""

    request: type[msgspec.Struct]
    details: type[msgspec.Struct]
    problems: Callable[[Any], list[FieldProblem]]
    """What a well-typed request still gets wrong."""
    shot_key: Callable[[Any], str | None]
    """Request -> key of the shot it is about, None when it doesn't say: the lake's `_id` without the occurrence.

    It begins with the shot's ISO date.
    """
    prepare: Callable[[Any, Any], Prepared]
    """Request and feature state -> model inputs, by the same builder as training."""
    doubtful: Callable[[Columns], Bools]
    """Columns of requests, as `prepare_many` takes them -> rows (n,) that may have problems; the others have none."""
    prepare_many: Callable[[Columns, Any], PreparedMany]
    """Requests without problems, as columns (n,) by field, and feature state -> model inputs, equal to those of `prepare`.

    What was left out is 0, for a yes or no -1 (yes is 1), for a text empty, for a list None; the members of an enum are
    numbered from 1. A list that no request has is no column.
    """
    occlusions: Callable[[Any, Any], Occlusions]
    """Request and feature state -> what it takes to tell what moved its probability."""
    surface: Surface
    shot_keys: Callable[[Columns], list[tuple[int, str]]]
    """The same columns -> row and `shot_key` of each that has one."""
    find_players: Callable[[Any, str, int], list[Player]]
    """Feature state, words of a name and a limit -> the players meant, likeliest first; without words those with most shots."""
    teams: tuple[TeamCard, ...]
    filters: Mapping[str, Filter]
    """Fields of the contract by which people look for shots; a range of days goes without saying."""
    rates: Callable[[Any], list[Rate]]
    """Feature state -> make rate of each group of shots as of now."""
    original: Original
    from_afar: Callable[[Any], bool]
    """Whether a request is about a shot from farther away than most, as a world that has drifted would send."""

    def left_out(self, rows: int, rng: np.random.Generator) -> dict[str, Bools]:
        """Optional input -> whether it is left out of each row, (rows,): each row is asked about by one caller."""
        callers = list(self.callers.values())
        caller = rng.choice(len(callers), size=rows, p=[c.share for c in callers])
        chances = ([c.leaves_out.get(name, 0.0) for c in callers] for name in self.masks)
        return {
            name: rng.random(rows) < np.array(chance)[caller] for name, chance in zip(self.masks, chances, strict=True)
        }

    def asked_by(self, caller: str, matrix: Float32s) -> Float32s:
        """Features (n, k) as one caller would ask, with everything left out that he may leave out."""
        left_out = self.callers[caller].leaves_out
        return self.mask(matrix, {name: np.ones(len(matrix), dtype=np.bool_) for name in left_out})

    def mask(self, matrix: Float32s, missing: Mapping[str, Bools]) -> Float32s:
        """A copy of features (n, k) as if each optional input were left out on the rows marked (n,) in `missing`."""
        masked = matrix.copy()
        for name, rows in missing.items():
            for column in self.masks[name]:
                masked[rows, self.feature_names.index(column)] = 0.0
        return masked
