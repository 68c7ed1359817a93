"""What a sport provides. The other rooms know a sport through this alone; none of them names its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from parivision_core.records import FormRecord

if TYPE_CHECKING:
    import pandas as pd

Columns = dict[str, NDArray[Any]]
Features = NDArray[np.float32]
Details = Mapping[str, str | int | float]


class FieldProblem(msgspec.Struct, frozen=True):
    """What is wrong with one field of a request."""

    field: str
    message: str


class Player(msgspec.Struct, frozen=True, kw_only=True):
    """A player whose shots the form has seen."""

    player_id: Annotated[int, Meta(description="As a prediction takes it.")]
    name: Annotated[str, Meta(description="As the latest shot has it.")]
    team: Annotated[
        str | None, Meta(description="The team of the latest shot, as a prediction takes it; null where none is known.")
    ]
    shots: Annotated[int, Meta(description="Shots that the form has seen.")]
    last_date: Annotated[str, Meta(description="ISO date of the latest shot.")]


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

    features: Features
    offset: Features
    points: int
    """What a make is worth."""
    league_average: float
    """Make rate of the league from this spot as of the form: what the offset says, as a probability."""
    details: msgspec.Struct


@dataclass(frozen=True)
class Caller:
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
    callers: Mapping[str, Caller]
    """The ways of asking that one model has to answer, by name; their shares sum to 1."""
    plausible_accuracy: float
    """Share of outcomes that no honest model foretells; one that does better has seen what it shouldn't."""
    empty_form: Callable[[], Any]
    load_form: Callable[[FormRecord], Any]
    warm_up: Callable[[Any], None]
    """Prepare what a form lays out for single shots and for the search by name, once per form."""
    fold: Callable[[Any, Columns], tuple[Features, Features, Any]]
    """Form and later shots -> features (n, k), offset (n,), the form after them."""
    baseline: Callable[[Features, NDArray[Any], Features], NDArray[np.float64]]
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
    prepare: Callable[[Any, Any], Prepared]
    """Request and form -> model inputs, by the same builder as training."""
    find_players: Callable[[Any, str, int], list[Player]]
    """Form, words of a name and a limit -> the players meant, likeliest first; without words those with most shots."""
    from_afar: Callable[[Any], bool]
    """Whether a request is about a shot from farther away than most, as a world that has drifted would send."""

    def left_out(self, rows: int, rng: np.random.Generator) -> dict[str, NDArray[np.bool_]]:
        """Optional input -> whether it is left out of each row, (rows,): each row is asked about by one caller."""
        callers = list(self.callers.values())
        caller = rng.choice(len(callers), size=rows, p=[c.share for c in callers])
        chances = ([c.leaves_out.get(name, 0.0) for c in callers] for name in self.masks)
        return {
            name: rng.random(rows) < np.array(chance)[caller] for name, chance in zip(self.masks, chances, strict=True)
        }

    def asked_by(self, caller: str, matrix: Features) -> Features:
        """Features (n, k) as one caller would ask, with everything left out that he may leave out."""
        left_out = self.callers[caller].leaves_out
        return self.mask(matrix, {name: np.ones(len(matrix), dtype=np.bool_) for name in left_out})

    def mask(self, matrix: Features, missing: Mapping[str, NDArray[np.bool_]]) -> Features:
        """A copy of features (n, k) as if each optional input were left out on the rows marked (n,) in `missing`."""
        masked = matrix.copy()
        for name, rows in missing.items():
            for column in self.masks[name]:
                masked[rows, self.feature_names.index(column)] = 0.0
        return masked
