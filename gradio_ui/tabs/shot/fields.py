"""The components of the shot tab and how they are laid out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from gradio_ui.charts import court_image
from parivision_core.nba.shots import contract
from parivision_core.nba.shots.kinds import KINDS
from parivision_core.nba.teams import ABBREVIATIONS

RETRY_SECONDS = 2
FIRST_SPOT = (0, 23.9)
"""x and y in feet before the first click: straight in front, just behind the three-point line."""
MIDDLE_OF_THE_GAME = (2, 360)
"""Default period and seconds left."""

LIVE = '<div role="status" aria-live="polite">${value}</div>'
"""A region that screen readers announce when it changes."""

NOT_GIVEN = ""
_KIND_NAMES = {
    "jump": "jump shot",
    "pullup": "pull-up",
    "stepback": "step-back",
    "float": "floater",
    "hook": "hook shot",
}
TEAMS = [("not given", NOT_GIVEN), *((team, team) for team in sorted(names[0] for names in ABBREVIATIONS.values()))]
KIND_CHOICES = [("not given", NOT_GIVEN), *((_KIND_NAMES.get(kind, kind), kind) for kind in KINDS)]
HOME_CHOICES = [("not given", NOT_GIVEN), ("home", "home"), ("away", "away")]
PERIODS = [
    *((f"{name} quarter", n) for n, name in enumerate(("1st", "2nd", "3rd", "4th"), start=1)),
    *((f"overtime {n - 4}", n) for n in range(5, contract.MAX_PERIOD + 1)),
]


@dataclass(frozen=True)
class Fields:
    """The components of the tab."""

    name: gr.Textbox
    suggestions: gr.Radio
    hint: gr.HTML
    court: gr.Image
    marks: gr.HTML
    x: gr.Number
    y: gr.Number
    team: gr.Dropdown
    opponent: gr.Dropdown
    kind: gr.Dropdown
    home: gr.Radio
    period: gr.Dropdown
    seconds: gr.Number
    answer: gr.HTML
    table: gr.HTML
    player: gr.State
    """The chosen Player, or None."""
    found: gr.State
    """The players on offer."""
    posed: gr.State
    """Whether a question was asked, answered or not."""
    history: gr.State
    timer: gr.Timer

    @property
    def inputs(self) -> set[Any]:
        """The components that make up a question."""
        situation = {self.team, self.opponent, self.kind, self.home, self.period, self.seconds}
        return {self.x, self.y, self.name, self.player, self.posed, self.history} | situation

    @property
    def outputs(self) -> list[Any]:
        """The components that an answer changes."""
        return [self.answer, self.marks, self.table, self.history, self.posed, self.timer]

    @property
    def player_outputs(self) -> list[Any]:
        """The components that searching or choosing a player changes."""
        return [*self.outputs, self.name, self.suggestions, self.hint, self.found, self.player, self.team]


def lay_out() -> Fields:
    """Create the components; to be called within the tab."""
    with gr.Row(elem_classes="columns", equal_height=False):
        with gr.Column(scale=6, min_width=320):
            with gr.Column(elem_classes="player"):
                name = gr.Textbox(label="Player", placeholder="Type a name; empty is any shooter", max_lines=1)
                suggestions = gr.Radio([], show_label=False, visible=False, elem_classes="suggestions", container=False)
                hint = gr.HTML(apply_default_css=False)
            with gr.Column(elem_classes="court"):
                court = gr.Image(
                    court_image.draw(),
                    format="png",
                    interactive=False,
                    show_label=False,
                    container=False,
                    buttons=[],
                    alt_text="Half court, the hoop at the top. Click a spot, or enter it in the two fields below.",
                )
                drawn = gr.HTML(apply_default_css=False)
            with gr.Row():
                x = gr.Number(
                    FIRST_SPOT[0], label="Feet right of the hoop (left: negative)", precision=1, step=0.1, min_width=130
                )
                y = gr.Number(FIRST_SPOT[1], label="Feet in front of the hoop", precision=1, step=0.1, min_width=130)
            with gr.Accordion("Situation: teams, kind of shot, clock", open=False, elem_classes="situation"):
                with gr.Row():
                    team = gr.Dropdown(TEAMS, value=NOT_GIVEN, label="Team", filterable=False, min_width=130)
                    opponent = gr.Dropdown(TEAMS, value=NOT_GIVEN, label="Opponent", filterable=False, min_width=130)
                with gr.Row():
                    kind = gr.Dropdown(
                        KIND_CHOICES, value=NOT_GIVEN, label="Kind of shot", filterable=False, min_width=130
                    )
                    home = gr.Radio(HOME_CHOICES, value=NOT_GIVEN, label="The team plays", min_width=130)
                with gr.Row():
                    period = gr.Dropdown(
                        PERIODS, value=MIDDLE_OF_THE_GAME[0], label="Period", filterable=False, min_width=130
                    )
                    seconds = gr.Number(MIDDLE_OF_THE_GAME[1], label="Seconds left in it", min_width=130)
        with gr.Column(scale=5, min_width=320):
            answer = gr.HTML(html_template=LIVE, elem_classes="answer-block", apply_default_css=False)
            table = gr.HTML(apply_default_css=False)
    return Fields(
        name=name,
        suggestions=suggestions,
        hint=hint,
        court=court,
        marks=drawn,
        x=x,
        y=y,
        team=team,
        opponent=opponent,
        kind=kind,
        home=home,
        period=period,
        seconds=seconds,
        answer=answer,
        table=table,
        player=gr.State(None),
        found=gr.State(()),
        posed=gr.State(False),
        history=gr.State(()),
        timer=gr.Timer(RETRY_SECONDS, active=False),
    )
