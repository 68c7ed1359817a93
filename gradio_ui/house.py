"""Where the shots come from and which parts of the house answer, as HTML: a card and a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from gradio_ui.client import Lake, Service
from gradio_ui.words import count, day

PURPOSES = {
    "api": "Prediction service: what programs may ask, described",
    "dagster": "Dagster: the assets, their runs and checks, drift reports",
    "mlflow": "MLflow: every training run and version of the model",
    "feed": "VirtualBets: brings the shots of a league as it plays",
    "page": "This page",
    "store": "Lake and warehouse",
    "journal": "Journal: every prediction, and what came of it",
}
"""What each part is for; a name that isn't here stands for itself."""
VIRTUAL_BETS = "virtual_bets"
INVENTED = (
    "VirtualBets brought them: unless it was given a file of real shots, the league is simulated, with real teams and "
    "invented players."
)


def data(lake: Lake) -> str:
    """The card that tells how many shots there are, of when, and what they came through."""
    if lake.first_date is None or lake.last_date is None:
        return """
<section class="card known">
  <p class="who">What is known</p>
  <p>No shots yet: the first batch is on its way, or the inbox is empty.</p>
</section>"""
    kept_out = f", {count(lake.quarantined)} rows kept out" if lake.quarantined else ""
    origin = INVENTED if VIRTUAL_BETS in lake.feeds else "They were read from files."
    return f"""
<section class="card known">
  <p class="who">What is known</p>
  <p class="chance"><span class="number">{count(lake.shots)}</span> <span class="of">shots</span></p>
  <p>{day(lake.first_date)} to {day(lake.last_date)}, {count(lake.batches)} batches{kept_out}</p>
  <p>{origin}</p>
</section>"""


def table(services: Sequence[Service], api: str) -> str:
    """One row per part of the house, the service that was asked first, with a link where a browser can open it."""
    asked = Service(name="api", address=f"{api}/schema", up=True)
    rows = "".join(map(_row, [asked, *services]))
    return f"""
<table class="parts">
  <caption>Parts of the house
    <span class="legend">Addresses are those by which the prediction service reaches them.</span></caption>
  <thead><tr><th scope="col">Part</th><th scope="col">Answers</th><th scope="col">Where</th></tr></thead>
  <tbody>{rows}</tbody>
</table>"""


def _row(service: Service) -> str:
    address = escape(service.address)
    if service.address.startswith(("http://", "https://")):
        address = f'<a href="{address}" target="_blank" rel="noopener">{address}</a>'
    said = f'<span class="decision {"pass" if service.up else "refuse"}">{"up" if service.up else "down"}</span>'
    problem = f'<span class="context">{escape(service.problem)}</span>' if service.problem else ""
    purpose = escape(PURPOSES.get(service.name, service.name))
    return f"<tr><td>{purpose}{problem}</td><td>{said}</td><td>{address}</td></tr>"
