"""One visitor's questions and answers, newest first, so that shots can be compared."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gradio_ui.client import PredictionView, Question

KEPT = 10

STRONG_DIFFERENCE = 0.05
"""From five percentage points on, a chance is shown as clearly better or worse than the league's."""


@dataclass(frozen=True)
class AnsweredQuestion:
    """One question with its answer; the court and the table show its number."""

    number: int
    shooter: str
    """The shooter's name; empty when none was chosen."""
    question: Question
    prediction: PredictionView

    @property
    def spot(self) -> tuple[float, float]:
        """Its place: x and y in tenths of a foot from the hoop."""
        return self.question.x, self.question.y

    @property
    def side(self) -> str:
        """CSS class for how the chance compares with the league's: much-below, below, even, above or much-above."""
        difference = self.prediction.probability - self.prediction.league_average
        if abs(difference) < 0.0005:
            return "even"
        return ("much-" if abs(difference) >= STRONG_DIFFERENCE else "") + ("above" if difference > 0 else "below")


History = tuple[AnsweredQuestion, ...]


def remember(history: History, shooter: str, question: Question, prediction: PredictionView) -> History:
    """The history with one more answer; repeating the latest question replaces it."""
    if history and history[0].question == question:
        return replace(history[0], shooter=shooter, prediction=prediction), *history[1:]
    number = history[0].number + 1 if history else 1
    return AnsweredQuestion(number, shooter, question, prediction), *history[: KEPT - 1]
