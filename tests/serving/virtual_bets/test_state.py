"""The state file survives a kill at any moment: it holds a complete state."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from parivision_serving.virtual_bets.clock import State, StateFile
from tests.helpers.paths import ROOT

WRITER = """
import sys
from pathlib import Path
from parivision_serving.virtual_bets.clock import State, StateFile
file = StateFile(Path(sys.argv[1]))
state = file.load("source")
print("ready", flush=True)
for counter in range(state.counter + 1, 10**9):
    file.save(State(source="source", days=counter / 2, counter=counter, served=counter))
    print(counter, flush=True)
"""


@pytest.mark.process
@pytest.mark.parametrize("delay", [0.0, 0.003, 0.02, 0.05, 0.11])
def test_a_kill_between_writes_leaves_the_last_state(tmp_path: Path, delay: float) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    time.sleep(delay)
    writer.send_signal(signal.SIGKILL)
    reported = [int(line) for line in writer.stdout.read().splitlines()]
    writer.wait()
    writer.stdout.close()
    file = StateFile(tmp_path)
    state = file.load("source")
    # What was reported as written is there; of the write under way, all or nothing.
    last = reported[-1] if reported else 0
    assert state.counter in (last, last + 1)
    assert (state.days, state.served) == (state.counter / 2, state.counter)
    file.save(State(source="source", counter=1))
    assert file.load("source").counter == 1
    file.close()


def test_a_state_that_is_gone_is_named_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    file = StateFile(tmp_path)
    assert file.load("source") == State(source="source")
    file.save(State(source="source", counter=1))
    assert file.load("source").counter == 1
    file.close()
    assert caplog.messages == [f"no state lies at {file.path}; 'source' begins with its first season"]
