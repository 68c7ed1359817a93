"""Where the shots come from and which services answer, as HTML: a card and a table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from gradio_ui.client import LakeView, ServiceView
from gradio_ui.words import count, day, link, several

PURPOSES = {
    "api": ("Prediction service", "the REST API and its documentation"),
    "dagster": ("Dagster", "the assets, their runs and checks"),
    "mlflow": ("MLflow", "every training run, every version of the model, drift reports"),
    "feed": ("VirtualBets", "the feed that brings shots day by day"),
    "page": ("This page", "the web page for analysts"),
    "store": ("Lake and warehouse", "raw shots, and shots with their features"),
    "prediction_log": ("Prediction log", "every prediction, and whether the shot went in"),
}
"""Display name and purpose of each service; others are shown by their own name."""
VIRTUAL_BETS = "virtual_bets"


def data_card(lake: LakeView, services: Sequence[ServiceView]) -> str:
    """The card with the number of shots, their dates, and the feeds that brought them."""
    if lake.first_date is None or lake.last_date is None:
        return """
<section class="card data">
  <p class="heading">Data in the lake</p>
  <p>No shots yet: the first batch is being ingested, or the inbox is empty.</p>
</section>"""
    kept_out = f", {several(lake.quarantined, 'row', 'rows')} in quarantine" if lake.quarantined else ""
    return f"""
<section class="card data">
  <p class="heading">Data in the lake</p>
  <p class="chance"><span class="number">{count(lake.shots)}</span> <span class="of">shots</span></p>
  <p>{day(lake.first_date)} to {day(lake.last_date)}, {several(lake.batches, "batch", "batches")}{kept_out}</p>
  <p>{escape(_origin(lake, services))}</p>
</section>"""


def table(services: Sequence[ServiceView], api: str) -> str:
    """One row per service, the prediction service first, with a link where a browser can open it."""
    prediction_service = ServiceView(name="api", address=f"{api}/schema", up=True)
    rows = "".join(map(_row, [prediction_service, *services]))
    return f"""
<table class="services">
  <caption>Services
    <span class="legend">Whether each answers the prediction service, and at which address.</span></caption>
  <thead><tr><th scope="col">Service</th><th scope="col">State</th><th scope="col">Address</th></tr></thead>
  <tbody>{rows}</tbody>
</table>"""


def _origin(lake: LakeView, services: Sequence[ServiceView]) -> str:
    """The feeds that brought the shots, as far as they answer now."""
    if VIRTUAL_BETS not in lake.feeds:
        return "They were read from files."
    feed = next((service for service in services if service.name == "feed"), None)
    if feed is None:
        brought = "VirtualBets brought them; it is no longer a feed of this platform."
    else:
        brought = f"VirtualBets {feed.details}." if feed.details else "VirtualBets brought them; it doesn't answer now."
    return brought if len(lake.feeds) == 1 else f"{brought} Others were read from files."


def _row(service: ServiceView) -> str:
    name, purpose = PURPOSES.get(service.name, (service.name, ""))
    state = f'<span class="decision {"pass" if service.up else "down"}">{"up" if service.up else "down"}</span>'
    contexts = "".join(f'<span class="context">{escape(text)}</span>' for text in (purpose, service.problem) if text)
    address = link(service.address, service.address)
    return f'<tr><th scope="row">{escape(name)}{contexts}</th><td>{state}</td><td class="address">{address}</td></tr>'
