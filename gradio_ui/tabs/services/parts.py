"""Where the shots come from and which parts of the house answer, as HTML: a card and a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from gradio_ui.client import LakeView, ServiceView
from gradio_ui.words import count, day, link, several

PURPOSES = {
    "api": ("Prediction service", "what programs may ask, described"),
    "dagster": ("Dagster", "the assets, their runs and checks"),
    "mlflow": ("MLflow", "every training run, every version of the model, drift reports"),
    "feed": ("VirtualBets", "brings the shots of a league as it plays"),
    "page": ("This page", "where people ask"),
    "store": ("Lake and warehouse", "the shots as they came, and with their features"),
    "prediction_log": ("PredictionLog", "every prediction, and what came of it"),
}
"""Name and purpose of each part; one that isn't here stands for itself."""
VIRTUAL_BETS = "virtual_bets"


def data(lake: LakeView, services: Sequence[ServiceView]) -> str:
    """The card that tells how many shots there are, of when, and what they came through."""
    if lake.first_date is None or lake.last_date is None:
        return """
<section class="card known">
  <p class="who">What is known</p>
  <p>No shots yet: the first batch is on its way, or the inbox is empty.</p>
</section>"""
    kept_out = f", {several(lake.quarantined, 'row', 'rows')} kept out" if lake.quarantined else ""
    return f"""
<section class="card known">
  <p class="who">What is known</p>
  <p class="chance"><span class="number">{count(lake.shots)}</span> <span class="of">shots</span></p>
  <p>{day(lake.first_date)} to {day(lake.last_date)}, {several(lake.batches, "batch", "batches")}{kept_out}</p>
  <p>{escape(_origin(lake, services))}</p>
</section>"""


def table(services: Sequence[ServiceView], api: str) -> str:
    """One row per part of the house, the service that was asked first, with a link where a browser can open it."""
    asked = ServiceView(name="api", address=f"{api}/schema", up=True)
    rows = "".join(map(_row, [asked, *services]))
    return f"""
<table class="parts">
  <caption>Parts of the house
    <span class="legend">As the prediction service sees them: whether they answer it, and where.</span></caption>
  <thead><tr><th scope="col">Part</th><th scope="col">Answers</th><th scope="col">Where</th></tr></thead>
  <tbody>{rows}</tbody>
</table>"""


def _origin(lake: LakeView, services: Sequence[ServiceView]) -> str:
    """What brought the shots, as far as it can be told now."""
    if VIRTUAL_BETS not in lake.feeds:
        return "They were read from files."
    feed = next((service for service in services if service.name == "feed"), None)
    if feed is None:
        brought = "VirtualBets brought them, which feeds this house no more."
    else:
        brought = f"VirtualBets {feed.told}." if feed.told else "VirtualBets brought them; it doesn't answer now."
    return brought if len(lake.feeds) == 1 else f"{brought} Others were read from files."


def _row(service: ServiceView) -> str:
    name, purpose = PURPOSES.get(service.name, (service.name, ""))
    said = f'<span class="decision {"pass" if service.up else "down"}">{"up" if service.up else "down"}</span>'
    contexts = "".join(f'<span class="context">{escape(text)}</span>' for text in (purpose, service.problem) if text)
    address = link(service.address, service.address)
    return f'<tr><th scope="row">{escape(name)}{contexts}</th><td>{said}</td><td class="address">{address}</td></tr>'
