"""The cost of the warehouse: `python -m benchmarks.features --data FILE...` prints one JSON.

CPU seconds and peak memory of folding 1,000,000 shots into an empty warehouse, then of folding one more batch of 1,500
shots, and of the same batch when it arrives a season late. Each is measured in a process of its own, including reading
and writing; importing the libraries is reported separately.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.seasons import commit, ingested
from parivision_core.nba.shots import NBA
from parivision_core.store import open_files

SHOTS = 1_000_000
BATCH = 1_500


def newest_days(shots: pa.Table, rows: int) -> int:
    """Number of rows of the newest days that have at least `rows` shots together; `shots` are sorted by day."""
    days = shots["game_date"].to_numpy()
    return len(days) - int(np.searchsorted(days, days[-rows]))


def measured(home: Path) -> dict[str, float]:
    """Bring the warehouse of a store up to date in a process of its own; returns the cost."""
    command = [sys.executable, "-m", "benchmarks.features", "--child", str(home)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(found.stdout))


def peak_mb() -> int:
    """Peak memory of this process in MB (getrusage would also count the process it was forked from)."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def child(home: Path) -> None:
    """Update the warehouse and print the cost."""
    import pyarrow.dataset  # noqa: F401, PLC0415 - as below; reading Parquet imports it, and with it pandas

    from parivision_assets.steps.features.folding import update_warehouse  # noqa: PLC0415 - the cost of the import is reported separately

    imported = time.process_time()
    folded = update_warehouse(open_files(home, NBA), NBA)
    spent = time.process_time()
    print(
        json.dumps(
            {
                "cpu_seconds": round(spent - imported, 3),
                "cpu_seconds_importing": round(imported, 2),
                "peak_mb": peak_mb(),
                "rows": folded.state.rows,
            }
        )
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", type=Path, help="season files with more than 1,000,000 shots together")
    parser.add_argument("--shots", type=int, default=SHOTS)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        child(chosen.child)
        return
    if not chosen.data:
        parser.error("name season files: --data FILE...")
    with tempfile.TemporaryDirectory() as folder:
        lake, _ = ingested(chosen.data, Path(folder) / "all")
        shots = lake.lake().sort_by([("game_date", "ascending"), ("_id", "ascending")])
        late = newest_days(shots, BATCH)
        size = min(chosen.shots, shots.num_rows - late)
        before, after = shots.slice(shots.num_rows - late - size, size), shots.slice(shots.num_rows - late)
        store = open_files(Path(folder) / "measured", NBA)
        for start in range(0, size, 100_000):
            commit(store, f"before-{start}", before.slice(start, 100_000))
        results = {"rebuild": measured(Path(folder) / "measured")}
        commit(store, "after", after)
        results["one_more_batch"] = measured(Path(folder) / "measured")
        season_back = before["game_date"][max(size - 200_000, 0)].as_py()
        day = [day if day != after["game_date"][0].as_py() else season_back for day in after["game_date"].to_pylist()]
        ids = [f"{season_back}:late:{row}" for row in range(after.num_rows)]
        moved = after.set_column(after.schema.get_field_index("game_date"), "game_date", pa.array(day))
        commit(store, "late", moved.set_column(moved.schema.get_field_index("_id"), "_id", pa.array(ids)))
        results["a_season_late"] = measured(Path(folder) / "measured")
    share = results["one_more_batch"]["cpu_seconds"] / results["rebuild"]["cpu_seconds"]
    report = {"shots": size, "batch": after.num_rows, "results": results, "batch_over_rebuild": round(share, 4)}
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
