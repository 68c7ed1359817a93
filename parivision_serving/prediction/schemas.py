"""What a prediction is answered with, as structs: the OpenAPI page and the JSON on the wire both come from here."""

from __future__ import annotations

from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What one part of a request did to its probability."""

    by: Annotated[
        str, Meta(description="The part: an optional field that was given, the shooter, the clock, the spot.")
    ]
    change: Annotated[float, Meta(description="The probability minus what it would be if this weren't known.")]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What moved a probability."""

    league_make_rate: Annotated[float, Meta(description="Of all shots of the league, wherever they were taken.")]
    effects: Annotated[
        list[Effect],
        Meta(
            description="The largest first. They don't add up to the probability: what two parts tell together is lost "
            "without either."
        ),
    ]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """How many earlier shots an answer rests on."""

    league_shots: Annotated[int, Meta(description="Shots that the feature state was folded from.")]
    shooter_shots: Annotated[int, Meta(description="Those of the shooter; 0 if he wasn't given or isn't known.")]


class Prediction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The chance of a make, and what it takes to trace and reproduce it."""

    id: Annotated[str, Meta(description="Names the prediction in the prediction log.")]
    probability: Annotated[float, Meta(description="Chance that the shot goes in, between 0 and 1, both exclusive.")]
    prediction: Annotated[int, Meta(description="1 if a make is at least as likely as a miss, else 0.")]
    confidence: Annotated[float, Meta(description="Probability of what is predicted: the larger of the two.")]
    expected_points: Annotated[float, Meta(description="Probability times the points of a make.")]
    league_average: Annotated[
        float,
        Meta(
            description="Make rate of the league from this spot as of the feature state (the base log odds, as a probability): "
            "where the model starts before it looks at the shooter, the opponent or the kind of shot."
        ),
    ]
    shot: Any
    evidence: Evidence
    explanation: Explanation | msgspec.UnsetType = msgspec.UNSET
    """Only if `explain` asked for it."""
    champion_version: Annotated[int, Meta(description="Registered version of the model that answered.")]
    champion_sha256: Annotated[str, Meta(description="Digest that names the served bundle.")]
    feature_state_stamp: Annotated[
        str, Meta(description="Digest of the history state that the features were looked up in.")
    ]
    feature_state_through: Annotated[
        str | None, Meta(description="ISO date of the last day that the feature state knows; null before the first.")
    ]


def prediction_of(details: type[msgspec.Struct]) -> type[Prediction]:
    """The prediction of one sport, whose details OpenAPI is to show (a generic struct would get an unreadable name)."""
    made: Any = msgspec.defstruct("Prediction", [("shot", details)], bases=(Prediction,), frozen=True, kw_only=True)
    return cast("type[Prediction]", made)
