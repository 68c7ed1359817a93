"""Texts, Markdown tables and plots for Dagster's pages and for the terminal."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic

from parivision_core.records import PASSED_OVER, Manifest
from parivision_core.scoring import Bin

COLORS = ("#1d428a", "#c8102e", "#5b8c5a", "#b7791f")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def breakdown_table(groups: Iterable[tuple[str, int, float]]) -> str:
    """Shots and make rate by group as Markdown."""
    return table(["where", "shots", "make rate"], ((name, f"{shots:,}", f"{rate:.1%}") for name, shots, rate in groups))


def batch_summary(manifest: Manifest, known: bool = False, withdrawn_by: str | None = None) -> str:
    """What became of a batch's rows, in one line; `known` says that the batch was in the lake before."""
    if withdrawn_by:
        return f"{manifest.batch_id}: withdrawn; `make withdraw BATCH={withdrawn_by}` brings it back"
    if manifest.withdraws:
        return (
            f"{manifest.batch_id}: {manifest.hidden:,} shots hidden, {manifest.inserted:,} shown again; withdrawn: "
            f"{', '.join(manifest.withdraws)}"
        )
    if known:
        return f"{manifest.batch_id}: already in the lake, with {manifest.inserted:,} shots"
    passed_over = f"; passed over: {manifest.details[PASSED_OVER]}" if PASSED_OVER in manifest.details else ""
    revised = f"; {manifest.revised:,} of the inserted revise earlier records" if manifest.revised else ""
    return (
        f"{manifest.batch_id}: {manifest.rows:,} rows = {manifest.inserted:,} inserted + "
        f"{manifest.duplicates:,} duplicates + {manifest.quarantined:,} quarantined{revised}{passed_over}"
    )


def paced(log: Callable[[str], None], seconds: float = 5.0) -> Callable[[str, bool], None]:
    """Log progress: a line that follows another within so many seconds is dropped unless it is the last."""
    logged_at = monotonic() - seconds

    def log_progress(line: str, last: bool) -> None:
        nonlocal logged_at
        if last or monotonic() >= logged_at + seconds:
            logged_at = monotonic()
            log(line)

    return log_progress


def reliability_plot(curves: Mapping[str, Sequence[Bin]], title: str) -> bytes:
    """PNG of predicted against observed make rates, one named curve for each reliability table."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for (name, bins), color in zip(curves.items(), COLORS, strict=False):
        axes.plot([b.predicted for b in bins], [b.observed for b in bins], marker="o", color=color, label=name)
    axes.legend(loc="upper left")
    axes.set(xlabel="predicted", ylabel="made", title=title, xlim=(0, 1), ylim=(0, 1))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def reliability_table(bins: Sequence[Bin]) -> str:
    """Predicted against observed make rates as Markdown."""
    return table(
        ["predicted", "made", "shots"], [(f"{b.predicted:.3f}", f"{b.observed:.3f}", f"{b.count:,}") for b in bins]
    )


def image(png: bytes, alt: str) -> str:
    """A PNG inside Markdown."""
    return f"![{alt}](data:image/png;base64,{base64.b64encode(png).decode()})"
