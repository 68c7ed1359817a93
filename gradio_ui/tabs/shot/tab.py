"""The *Shot* tab's events: a spot on the court, a player and the situation in, the chance of a make out."""

from __future__ import annotations

from typing import Any

import gradio as gr

from gradio_ui.charts import court_image
from gradio_ui.client import Client, NoAnswerError, Question
from gradio_ui.tabs import notices
from gradio_ui.tabs.events import EACH, SWIFT
from gradio_ui.tabs.shot import cards, marks
from gradio_ui.tabs.shot.fields import NOT_GIVEN, Fields
from gradio_ui.tabs.shot.questions import History, remember
from gradio_ui.words import count
from parivision_core.nba import court
from parivision_core.sport import Player

SUGGESTIONS = 8
NOT_CHOSEN = "Not chosen yet: pick a name from the list, or press Enter for the first."
"""Shown while a name is typed but not chosen: answers are then still about the player before."""
BEYOND = (
    f"That spot is not on the court, which reaches {court.HALF_WIDTH / court.TENTHS_PER_FOOT:g} feet to either side of "
    f"the hoop, {court.FAR_BASELINE_Y / court.TENTHS_PER_FOOT:g} feet in front of it and "
    f"{-court.BASELINE_Y / court.TENTHS_PER_FOOT:g} feet behind it (a negative number)."
)

Update = dict[Any, Any]
"""Component -> its value; components that are left out of a result stay as they are."""


class ShotTab:
    """The tab's event handlers: each takes the values of components and returns those that change."""

    def __init__(self, client: Client, fields: Fields) -> None:
        self._client, self._f = client, fields

    def wire(self, page: gr.Blocks) -> None:
        """Connect the components to the handlers."""
        f = self._f
        f.court.select(self.place, f.inputs, [*f.outputs, f.x, f.y], **EACH)
        fields = [f.team.input, f.opponent.input, f.kind.input, f.home.input, f.period.input]
        numbers = [event for number in (f.x, f.y, f.seconds) for event in (number.submit, number.blur)]
        gr.on([*fields, *numbers], self.ask, f.inputs, f.outputs, **SWIFT)
        gr.on([page.load, f.timer.tick], self.retry, f.inputs, f.outputs, **SWIFT)
        # Not `input`, which Gradio doesn't send when a field is emptied; `change` is also sent when a choice fills it.
        f.name.change(self.search, f.inputs, f.player_outputs, **SWIFT)
        f.name.submit(self.choose_best, f.inputs, f.player_outputs, **SWIFT)
        f.suggestions.input(self.choose, f.inputs | {f.suggestions, f.found}, f.player_outputs, **SWIFT)

    async def place(self, given: Update, click: gr.SelectData) -> Update:
        """Ask about the spot that was clicked."""
        f = self._f
        x, y = court_image.to_court(*click.index)
        spot = {f.x: x / court.TENTHS_PER_FOOT, f.y: y / court.TENTHS_PER_FOOT}
        return spot | await self.ask(given | spot)

    async def retry(self, given: Update) -> Update:
        """Repeat a question that had no answer; before the first question, show the invitation and ask nothing."""
        f = self._f
        if given[f.posed]:
            return await self.ask(given)
        try:
            champion = await self._client.champion()
        except NoAnswerError as problem:
            return {f.answer: notices.no_answer(problem), f.timer: gr.Timer(active=problem.passing)}
        return {f.answer: cards.invitation(champion), f.timer: gr.Timer(active=False)}

    async def ask(self, given: Update) -> Update:
        """Ask about the spot in the fields; without an answer, show why."""
        return {self._f.posed: True} | await self._answer(given)

    async def _answer(self, given: Update) -> Update:
        f = self._f
        history: History = given[f.history]
        question = self._question(given)
        if question is None:
            return {f.answer: cards.incomplete(), f.timer: gr.Timer(active=False)}
        try:
            if not on_court(question):
                raise NoAnswerError(BEYOND, passing=False)
            prediction = await self._client.predict(question)
        except NoAnswerError as problem:
            drawn = marks.draw(history, (question.x, question.y))
            return {f.answer: notices.no_answer(problem), f.marks: drawn, f.timer: gr.Timer(active=problem.passing)}
        player: Player | None = given[f.player]
        shooter = player.name if player else ""
        history = remember(history, shooter, question, prediction)
        typed = given[f.name].strip()
        page = await self._client.page_of(prediction.champion_version)
        return {
            f.answer: cards.answer(history[0], page, not_chosen="" if typed == shooter else typed),
            f.marks: marks.draw(history, history[0].spot),
            f.table: cards.table(history),
            f.history: history,
            f.timer: gr.Timer(active=False),
        }

    async def search(self, given: Update) -> Update:
        """Suggest players whose names match what was typed; an empty field means any shooter."""
        f = self._f
        typed = given[f.name].strip()
        if not typed:
            no_player = {f.player: None, f.team: NOT_GIVEN}
            return self._suggest([]) | no_player | await self.ask(given | no_player)
        player: Player | None = given[f.player]
        if player and player.name == typed:
            return self._suggest([])
        try:
            found = await self._client.players(typed, SUGGESTIONS)
        except NoAnswerError as problem:
            return self._suggest([], str(problem))
        return self._suggest(found, NOT_CHOSEN if found else "No player of that name is known.")

    async def choose(self, given: Update) -> Update:
        """Ask about the player who was picked from the suggestions."""
        f = self._f
        chosen = next((p for p in given[f.found] if p.player_id == given[f.suggestions]), None)
        # None when a newer search has replaced the list meanwhile.
        return await self._take(given, chosen) if chosen else {}

    async def choose_best(self, given: Update) -> Update:
        """Ask about the first player suggested for what was typed."""
        suggested = await self.search(given)
        found = suggested.get(self._f.found)
        return await self._take(given, found[0]) if found else suggested

    async def _take(self, given: Update, player: Player) -> Update:
        f = self._f
        taken = {f.name: player.name, f.player: player, f.team: player.team or NOT_GIVEN}
        return self._suggest([]) | taken | await self.ask(given | taken)

    def _suggest(self, players: list[Player], hint: str = "") -> Update:
        f = self._f
        choices = [(", ".join(filter(None, (p.name, p.team, f"{count(p.shots)} shots"))), p.player_id) for p in players]
        radio = gr.Radio(choices, value=None, visible=bool(players))
        return {f.suggestions: radio, f.found: tuple(players), f.hint: notices.hint(hint)}

    def _question(self, given: Update) -> Question | None:
        """The question in the fields; None while one of its numbers is missing."""
        f = self._f
        if None in (given[f.x], given[f.y], given[f.seconds]):
            return None
        player: Player | None = given[f.player]
        return Question(
            x=round(court.TENTHS_PER_FOOT * given[f.x]),
            y=round(court.TENTHS_PER_FOOT * given[f.y]),
            period=given[f.period],
            seconds_remaining=given[f.seconds],
            player_id=player.player_id if player else None,
            team=given[f.team] or None,
            opponent=given[f.opponent] or None,
            kind=given[f.kind] or None,
            home={"home": True, "away": False}.get(given[f.home]),
        )


def on_court(question: Question) -> bool:
    """Whether a spot is on the court. The service checks that too, but reports it in a unit that isn't the page's."""
    wide = abs(question.x) <= court.HALF_WIDTH
    return wide and court.BASELINE_Y <= question.y <= court.FAR_BASELINE_Y
