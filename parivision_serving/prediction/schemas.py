"""The answers to predictions as structs, from which both OpenAPI and the JSON on the wire are made."""

from __future__ import annotations

from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of one input on the probability."""

    by: Annotated[
        str, Meta(description="The input: an optional field that was given, the shooter, the clock or the spot.")
    ]
    change: Annotated[float, Meta(description="The probability minus what it would be if this input were unknown.")]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What moved a probability."""

    league_make_rate: Annotated[float, Meta(description="Make rate of all shots of the league, from every spot.")]
    effects: Annotated[
        list[Effect],
        Meta(
            description="The largest first. They don't add up to the probability: what two inputs say only together is "
            "in the effect of each."
        ),
    ]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """How many earlier shots the answer is based on."""

    league_shots: Annotated[int, Meta(description="Shots that the feature state was folded from.")]
    shooter_shots: Annotated[
        int, Meta(description="Shots of the shooter; 0 without `player_id` and for an unknown player.")
    ]


class Prediction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The chance of a make, and what it takes to trace and reproduce it."""

    id: Annotated[str, Meta(description="Id of the prediction in the prediction log.")]
    probability: Annotated[float, Meta(description="Chance that the shot goes in, between 0 and 1, both exclusive.")]
    prediction: Annotated[int, Meta(description="1 if a make is at least as likely as a miss, else 0.")]
    confidence: Annotated[
        float, Meta(description="Probability of the predicted outcome: the larger one of make and miss.")
    ]
    expected_points: Annotated[float, Meta(description="Probability times the points of a make.")]
    league_average: Annotated[
        float,
        Meta(
            description="Make rate of the league from this spot as of the feature state (the base log odds, as a "
            "probability): where the model starts before it looks at the shooter, the opponent or the kind of shot."
        ),
    ]
    shot: Any
    evidence: Evidence
    explanation: Explanation | msgspec.UnsetType = msgspec.UNSET
    """Only if the request set `explain`."""
    champion_version: Annotated[int, Meta(description="Registered version of the model that answered.")]
    champion_sha256: Annotated[str, Meta(description="Digest that names the served bundle.")]
    feature_state_stamp: Annotated[str, Meta(description="Digest of the feature state from which the features came.")]
    feature_state_through: Annotated[
        str | None, Meta(description="ISO date of the last day in the feature state; null if it is empty.")
    ]


def prediction_of(details: type[msgspec.Struct]) -> type[Prediction]:
    """The prediction of one sport with its details (a generic struct would have an unreadable name in OpenAPI)."""
    made: Any = msgspec.defstruct("Prediction", [("shot", details)], bases=(Prediction,), frozen=True, kw_only=True)
    return cast("type[Prediction]", made)
