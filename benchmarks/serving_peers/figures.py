"""Computes the benchmark's figures from the results of each round."""

from __future__ import annotations

from statistics import median

from benchmarks.load import LoadResult

COMPARED_AT = 16
"""Connections at which servers are compared."""
RATIOS = {"original": "original", "mlflow": "mlflow", "other": "litserve"}
"""Name of a ratio -> the server that it compares ours with."""

Rounds = list[dict[tuple[str, int], LoadResult]]
"""Results of each round, by endpoint and by connections or rows."""


def ratios(singles: Rounds, bulks: Rounds) -> dict[str, list[float]]:
    """Each ratio, round by round.

    Requests a second, ours over theirs, and CPU time a request, theirs over ours, which a busy machine distorts less;
    `cpu_vs_noop` alone is ours over theirs.
    """
    names = {name for name, _ in singles[0]}

    def of(name: str, field: str) -> list[float]:
        return [getattr(found[name, COMPARED_AT], field) for found in singles]

    def over(one: list[float], other: list[float]) -> list[float]:
        return [a / b for a, b in zip(one, other, strict=True)]

    found = {
        ratio: over(of("ours", "per_second"), of(name, "per_second")) for ratio, name in RATIOS.items() if name in names
    }
    found |= {
        f"cpu_{ratio}": over(of(name, "server_cpu_us"), of("ours", "server_cpu_us"))
        for ratio, name in RATIOS.items()
        if name in names
    }
    if "noop" in names:
        found["cpu_vs_noop"] = over(of("ours", "server_cpu_us"), of("noop", "server_cpu_us"))
    largest = max(n for _, n in bulks[0])
    rows = {name: [r[name, largest].per_second for r in bulks] for name, n in bulks[0] if n == largest}
    if "mlflow_json" in rows:
        theirs = [max(pair) for pair in zip(rows["mlflow_json"], rows["mlflow_csv"], strict=True)]
        found["bulk_vs_mlflow"] = over(rows["ours_arrow"], theirs)
        found["bulk_vs_mlflow_json"] = over(rows["ours_arrow"], rows["mlflow_json"])
    return found


def spread(values: list[float]) -> list[float]:
    """Minimum, median and maximum, to four digits."""
    return [float(f"{value:.4g}") for value in (min(values), median(values), max(values))]


def summary(rounds: Rounds, *, rows: bool = False) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Name -> connections or rows -> figure -> its spread over the rounds."""
    report: dict[str, dict[str, dict[str, list[float]]]] = {}
    for name, n in sorted(rounds[0]):
        of = [found[name, n] for found in rounds]
        kept: dict[str, list[float]] = {
            "requests_per_second": [f.per_second for f in of],
            "p50_ms": [f.p50_ms for f in of],
            "p99_ms": [f.p99_ms for f in of],
            "server_cpu_us_per_request": [f.server_cpu_us for f in of],
            "client_cpu_us_per_request": [f.client_cpu_us for f in of],
        }
        if rows:
            kept = {
                "rows_per_second": [f.per_second * n for f in of],
                "server_cpu_us_per_row": [f.server_cpu_us / n for f in of],
            }
        report.setdefault(name, {})[str(n)] = {field: spread(values) for field, values in kept.items()}
    return report
