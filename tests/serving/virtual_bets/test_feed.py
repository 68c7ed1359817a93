"""The feed over a small source: nothing comes twice, nothing is lost, nothing is taken back."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parivision_core.problems import ConfigurationError, StoreError
from parivision_serving.virtual_bets.clock import FILE, State, StateFile
from parivision_serving.virtual_bets.feed import UnknownBatchError, UnknownCursorError
from tests.helpers.small_feed import FakeTime, drop, everything, open_feed

ALL = everything()
FIRST_SEASON = 5

steps = st.lists(
    st.one_of(
        st.tuples(st.just("list"), st.integers(0, 2), st.integers(1, 4)),
        st.tuples(st.just("pass"), st.floats(0, 6), st.none()),
        st.tuples(st.just("end"), st.none(), st.none()),
        st.tuples(st.just("kill"), st.none(), st.none()),
        st.tuples(st.just("take"), st.integers(1, 9), st.none()),
    ),
    max_size=40,
)


@given(steps)
def test_every_client_gets_every_batch_once_over_restarts_and_kills(script: list[tuple]) -> None:
    now = FakeTime()
    # The machine doesn't crash here, and waiting for the disk would take minutes.
    with tempfile.TemporaryDirectory() as name, mock.patch("os.fsync"):
        folder = Path(name)
        feed, cursors, seen, taken, newest = open_feed(folder, now), [0, 0, 0], [[], [], []], [], 0
        for what, first, second in script:
            if what == "list":
                listing = feed.listing(cursors[first], second)
                assert listing.newest >= newest, "a batch was taken back"
                newest = listing.newest
                assert [b.cursor for b in listing.batches] == list(range(cursors[first] + 1, listing.next + 1))
                for batch in listing.batches:
                    content, fingerprint = feed.content(batch.id)
                    assert fingerprint == batch.fingerprint
                    seen[first].append((batch.id, content))
                cursors[first] = listing.next
            elif what == "pass":
                now.pass_days(first)
            elif what == "take":
                taken += [document["shot"] for document in feed.take(first)]
            else:
                drop(feed) if what == "kill" else feed.close()
                feed = open_feed(folder, now)
        now.pass_days(100)
        for client in range(3):
            rest = feed.listing(cursors[client], 100)
            seen[client] += [(batch.id, feed.content(batch.id)[0]) for batch in rest.batches]
            assert [batch_id for batch_id, _ in seen[client]] == [batch_id for batch_id, _ in ALL]
        assert seen[0] == seen[1] == seen[2]
        taken += [document["shot"] for document in feed.take(10_000)]
        assert taken == [shot for _, shots in ALL for shot in shots]
        feed.close()


def test_the_first_season_is_there_at_once_and_the_next_day_by_day(tmp_path: Path) -> None:
    now = FakeTime()
    feed = open_feed(tmp_path, now)
    counts = []
    for _ in range(18):
        counts.append(feed.listing(0, 100).newest)
        now.pass_days(1)
    # Days 0, 1 (late, with day 6), 2, 5 and 7 of eight; the summer between the seasons takes no time.
    assert counts == [5, 6, 6, 7, 7, 7, 8, 9, 10, 11, 11, 12, 12, 12, 13, 14, 15, 15]
    assert feed.status().finished
    feed.close()


def test_today_is_the_last_day_that_is_over(tmp_path: Path) -> None:
    now = FakeTime()
    feed = open_feed(tmp_path, now)
    shown = []
    for days in (0, 0.9, 0.2, 7.0, 1, 30):
        now.pass_days(days)
        shown.append(str(feed.status().today))
    assert shown == ["2001-11-08", "2001-11-08", "2002-11-01", "2002-11-08", "2003-11-01", "2003-11-08"]
    feed.close()


def test_time_stands_still_while_the_service_is_down(tmp_path: Path) -> None:
    now = FakeTime()
    feed = open_feed(tmp_path, now)
    now.pass_days(2.5)
    feed.close()
    now.pass_days(50)
    feed = open_feed(tmp_path, now)
    assert feed.listing(0, 100).newest == FIRST_SEASON + 1
    now.pass_days(0.6)
    assert feed.listing(0, 100).newest == FIRST_SEASON + 2, "the half day before the restart is lost"
    feed.close()


def test_a_stopped_clock_offers_the_first_season_and_a_new_speed_goes_on(tmp_path: Path) -> None:
    now = FakeTime()
    feed = open_feed(tmp_path, now, days_a_minute=0)
    now.seconds += 1e6
    assert feed.listing(0, 100).newest == FIRST_SEASON
    feed.close()
    feed = open_feed(tmp_path, now, days_a_minute=0.5)
    now.seconds += 121
    assert feed.listing(0, 100).newest == FIRST_SEASON + 1
    feed.close()


def test_a_batch_is_unknown_until_its_day_is_over(tmp_path: Path) -> None:
    now = FakeTime()
    feed = open_feed(tmp_path, now)
    with pytest.raises(UnknownBatchError, match="2002-11-01"):
        feed.content("2002-11-01")
    now.pass_days(1)
    assert feed.content("2002-11-01")[0] == b'[{"shot":"2002-11-01/0"},{"shot":"2002-11-01/1"}]'
    feed.close()


def test_a_cursor_from_another_source_is_refused(tmp_path: Path) -> None:
    feed = open_feed(tmp_path, FakeTime())
    assert feed.listing(FIRST_SEASON, 10).batches == []
    with pytest.raises(UnknownCursorError, match="cursor 6 was never handed out, the newest is 5"):
        feed.listing(FIRST_SEASON + 1, 10)
    feed.close()


def test_the_counter_ends_resets_and_goes_on(tmp_path: Path) -> None:
    now = FakeTime()
    feed = open_feed(tmp_path, now)
    first = [shot for _, shots in ALL[:FIRST_SEASON] for shot in shots]
    assert [d["shot"] for d in feed.take(4)] == first[:4]
    assert [d["shot"] for d in feed.take(1000)] == first[4:]
    assert feed.take(5) == []
    now.pass_days(1)
    assert [d["shot"] for d in feed.take(5)] == ALL[FIRST_SEASON][1]
    assert (feed.status().counter, feed.status().documents_served) == (len(first) + 2, len(first) + 2)
    feed.reset()
    assert [d["shot"] for d in feed.take(2)] == first[:2]
    assert (feed.status().counter, feed.status().documents_served) == (2, len(first) + 4)
    feed.close()


def test_callers_at_once_get_different_shots(tmp_path: Path) -> None:
    feed = open_feed(tmp_path, FakeTime())
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda _: feed.take(1), range(20)))
    taken = [document["shot"] for part in parts for document in part]
    assert sorted(taken) == sorted(shot for _, shots in ALL[:FIRST_SEASON] for shot in shots)
    feed.close()


def test_the_counter_is_on_disk_before_the_answer(tmp_path: Path) -> None:
    """Which is the original's flaw: a client that dies after the call has lost these shots."""
    feed = open_feed(tmp_path, FakeTime())
    feed.take(3)
    drop(feed)
    feed = open_feed(tmp_path, FakeTime())
    assert feed.status().counter == 3
    feed.close()


def test_a_state_that_cannot_be_written_moves_no_counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = open_feed(tmp_path, FakeTime())

    def refuse(_: State) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(feed._file, "save", refuse)
        with pytest.raises(StoreError):
            feed.take(3)
    assert feed.status().counter == 0
    assert [d["shot"] for d in feed.take(1)] == [ALL[0][1][0]]
    feed.close()


def test_a_full_disk_is_reported_and_leaves_the_old_state(tmp_path: Path) -> None:
    file = StateFile(tmp_path)
    file.save(State(source="small", counter=1))
    with (
        mock.patch("os.fsync", side_effect=OSError(28, "No space left on device")),
        pytest.raises(StoreError) as caught,
    ):
        file.save(State(source="small", counter=2))
    assert "state.json can't be written" in str(caught.value)
    assert file.load("small").counter == 1
    file.close()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    feed = open_feed(tmp_path, FakeTime())
    with pytest.raises(StoreError, match="another VirtualBets uses"):
        open_feed(tmp_path, FakeTime())
    feed.close()
    open_feed(tmp_path, FakeTime()).close()


def test_the_state_of_another_source_is_refused(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "virtual_bets")
    file.save(State(source="simulation 1, seed 7, calm", days=3.0, counter=9))
    file.close()
    with pytest.raises(ConfigurationError, match=r"belongs to 'simulation 1, seed 7, calm'.*ask for 'small'"):
        open_feed(tmp_path, FakeTime())


@pytest.mark.parametrize("content", [b"", b"{", b'{"world": 3}', b"\xff"])
def test_a_damaged_state_is_reported(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "virtual_bets"
    folder.mkdir()
    (folder / FILE).write_bytes(content)
    with pytest.raises(StoreError, match="remove it to begin again"):
        open_feed(tmp_path, FakeTime())


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "virtual_bets").write_text("a file")
    with pytest.raises(StoreError, match="can't keep its state"):
        open_feed(tmp_path, FakeTime())
