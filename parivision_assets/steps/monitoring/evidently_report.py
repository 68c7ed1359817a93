"""The part of a drift report that Evidently computes: the distance of every column, and the HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from parivision_assets.steps.monitoring.columns import DriftColumn
from parivision_core.arrays import Columns

if TYPE_CHECKING:
    import pandas as pd

_STYLE = "max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 sans-serif"


def compare(
    columns: Sequence[DriftColumn], thresholds: Mapping[str, float], reference: Columns, newest: Columns
) -> tuple[dict[str, float], str]:
    """Distance of each column between two windows, and the report as one self-contained HTML page.

    Both windows hold every column, (n,) and (m,); NaN is left out.
    """
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import ValueDrift

    _register_mean_shift()
    names = [column.name for column in columns if column.method == "jensenshannon"]
    definition = DataDefinition(
        numerical_columns=[column.name for column in columns if column.name not in names], categorical_columns=names
    )
    drifts = [ValueDrift(column=c.name, method=c.method, threshold=thresholds[c.name]) for c in columns]
    current, base = (
        Dataset.from_pandas(pd.DataFrame({c.name: window[c.name] for c in columns}), data_definition=definition)
        for window in (newest, reference)
    )
    snapshot = Report(drifts).run(current, base)
    found = {metric["config"]["column"]: float(metric["value"]) for metric in snapshot.dict()["metrics"]}
    return found, snapshot.get_html_str(as_iframe=False)


def with_summary(html: str, title: str, lines: Sequence[str]) -> str:
    """The page with a title and a list of sentences above its charts."""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    summary = f'<section style="{_STYLE}"><h1>{escape(title)}</h1><ul>{items}</ul></section>'
    before, body, after = html.partition("<body>")
    if not body:
        raise ValueError("Evidently's page has no <body> to put the summary in")
    return f"{before}{body}{summary}{after}"


def _register_mean_shift() -> None:
    """Register the difference of two means with Evidently, which has it only as a test of independent rows."""
    from evidently.legacy.calculations.stattests import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    def mean_shift(
        reference: pd.Series, current: pd.Series, feature_type: ColumnType, threshold: float
    ) -> tuple[float, bool]:
        distance = abs(float(current.mean() - reference.mean()))
        return distance, distance >= threshold

    register_stattest(StatTest("mean_shift", "Difference of means", [ColumnType.Numerical]), mean_shift)
