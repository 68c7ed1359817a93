"""The definition set as a snapshot, so that a change of the graph shows in review, and as Dagster's own CLI sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from parivision_assets.definitions import build
from parivision_core.nba.shots import NBA
from parivision_core.settings import Settings
from tests.helpers.paths import ROOT

SNAPSHOT = Path(__file__).with_name("definitions.json")


def snapshot(definitions: dg.Definitions) -> dict[str, object]:
    graph = definitions.resolve_asset_graph()
    return {
        "assets": {
            node.key.to_user_string(): {
                "depends_on": sorted(key.to_user_string() for key in node.parent_keys),
                "group": node.group_name,
                "kinds": sorted(node.kinds),
                "owners": sorted(node.owners),
                "partitions": node.partitions_def.name if node.partitions_def else None,
                "automation": node.automation_condition.get_label() or type(node.automation_condition).__name__
                if node.automation_condition
                else None,
                "described": bool(node.description),
            }
            for node in sorted(graph.asset_nodes, key=lambda node: node.key)
        },
        "checks": {
            f"{key.asset_key.to_user_string()}:{key.name}": "blocks" if graph.get(key).blocking else "warns"
            for key in sorted(graph.asset_check_keys, key=str)
        },
        "jobs": sorted(job.name for job in definitions.jobs or []),
        "sensors": {s.name: s.default_status.value for s in sorted(definitions.sensors or [], key=lambda s: s.name)},
    }


def test_the_graph_is_the_one_in_the_snapshot(tmp_path: Path) -> None:
    """After a wanted change: `python -m tests.assets.test_definitions` writes the new snapshot."""
    found = snapshot(build([NBA], Settings(home=tmp_path).resolved()))
    assert json.loads(SNAPSHOT.read_text()) == found


def test_every_run_is_in_one_process(tmp_path: Path) -> None:
    """Each step in its own process would pay the imports again."""
    job = build([NBA], Settings(home=tmp_path).resolved()).resolve_job_def("refresh")
    assert job.executor_def is dg.in_process_executor


@pytest.mark.process
def test_dagster_validates_the_workspace(tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("dagster")), "definitions", "validate", "-w", "workspace.yaml"]
    env = {"PATH": "/usr/bin:/bin"} | dict.fromkeys(("PARIVISION_HOME", "DAGSTER_HOME", "HOME"), str(tmp_path))
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Validation successful" in done.stdout + done.stderr


if __name__ == "__main__":
    text = json.dumps(snapshot(build([NBA], Settings.from_env({}))), indent=1)
    SNAPSHOT.write_text(text + "\n")
