"""The clock waits for a slow reader: the days run only so far ahead of the batches that were read."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parivision_serving.virtual_bets.announcements import Announcements
from parivision_serving.virtual_bets.feed import FeedService
from parivision_serving.virtual_bets.lead import PATIENCE_SECONDS
from tests.helpers.small_feed import FakeTime, SmallSource, everything, open_feed

ALL = everything()
FIRST_SEASON = 5
AHEAD = 2
EVERYTHING = Announcements(SmallSource())
EVERYTHING.advance(100)
DAYS = [batch.day for batch in EVERYTHING.all]
"""Simulated days after which each batch is announced."""


def newest(feed: FeedService) -> int:
    return feed.listing(0, 100).newest


def read(feed: FeedService, cursor: int) -> None:
    feed.content(ALL[cursor - 1][0])


def test_the_days_of_announcement_go_on_over_the_seasons() -> None:
    assert DAYS == [0] * 5 + [1, 3, 6, 7, 8] + [9, 11, 14, 15, 16]
    begun = Announcements(SmallSource())
    begun.advance(3)
    assert [begun.day(cursor) for cursor in (FIRST_SEASON, 7, 8)] == [0, 3, 6]
    assert begun.day(9) is None, "only the next one is known before its day"
    assert EVERYTHING.day(len(ALL) + 1) is None


def test_the_days_go_on_as_the_reader_reads(tmp_path: Path) -> None:
    now = FakeTime()
    feed = open_feed(tmp_path, now, ahead_days=AHEAD)
    read(feed, FIRST_SEASON)
    now.pass_days(50)
    assert newest(feed) == FIRST_SEASON + 2, "more than the days 1 to 3, which are 2 ahead of the unread day 1"
    assert feed.status().waits
    read(feed, FIRST_SEASON + 1)
    now.pass_days(1)  # of the days 3 to 5, in which nothing is announced
    assert newest(feed) == FIRST_SEASON + 2
    assert not feed.status().waits, "the time that it waited counts"
    now.pass_days(5)
    assert newest(feed) == FIRST_SEASON + 2
    read(feed, FIRST_SEASON + 2)
    now.pass_days(5)
    assert newest(feed) == FIRST_SEASON + 5, "6 to 8, which are 2 ahead of the unread day 6"
    feed.close()
    state = open_feed(tmp_path, now)
    assert state._state.days == 8.0
    state.close()


@pytest.mark.parametrize(("ahead_days", "reads"), [(0, True), (AHEAD, False)])
def test_without_a_reader_or_a_limit_the_clock_never_waits(tmp_path: Path, ahead_days: int, reads: bool) -> None:
    now = FakeTime()
    feed = open_feed(tmp_path, now, ahead_days=ahead_days)
    if reads:
        read(feed, FIRST_SEASON)
    else:
        feed.take(1000)  # a client of /getdata doesn't show what it has received
    now.pass_days(50)
    assert newest(feed) == len(ALL)
    assert not feed.status().waits
    feed.close()


def test_a_silent_reader_is_given_up_and_waited_for_again_once_it_reads(tmp_path: Path) -> None:
    now = FakeTime()
    feed = open_feed(tmp_path, now, ahead_days=AHEAD)
    read(feed, FIRST_SEASON)
    now.seconds += PATIENCE_SECONDS
    assert newest(feed) == FIRST_SEASON + 2
    assert feed.status().waits
    now.pass_days(3)
    assert newest(feed) == FIRST_SEASON + 3
    assert not feed.status().waits
    read(feed, FIRST_SEASON + 1)
    now.pass_days(50)
    assert newest(feed) == FIRST_SEASON + 3, "what was announced in its absence is taken back, or more is added"
    assert feed.status().waits
    feed.close()


def test_reading_an_old_batch_again_does_not_prolong_the_wait(tmp_path: Path) -> None:
    now = FakeTime()
    feed = open_feed(tmp_path, now, ahead_days=AHEAD)
    read(feed, FIRST_SEASON)
    now.seconds += PATIENCE_SECONDS
    read(feed, 1)
    now.pass_days(50)
    assert newest(feed) == len(ALL)
    feed.close()


def test_a_new_process_does_not_wait_before_the_first_read(tmp_path: Path) -> None:
    now = FakeTime()
    feed = open_feed(tmp_path, now, ahead_days=AHEAD)
    read(feed, FIRST_SEASON)
    feed.close()
    feed = open_feed(tmp_path, now, ahead_days=AHEAD)
    now.pass_days(6)
    assert newest(feed) == FIRST_SEASON + 3
    feed.close()


reading = st.lists(
    st.one_of(
        st.tuples(st.just("pass"), st.floats(0, 12)),
        st.tuples(st.just("read"), st.integers(1, 4)),
        st.tuples(st.just("look"), st.none()),
    ),
    max_size=30,
)


@given(reading, st.integers(1, 5))
def test_the_days_never_go_back_nor_too_far_ahead_and_reach_the_end(script: list[tuple], ahead: int) -> None:
    now = FakeTime()
    with tempfile.TemporaryDirectory() as name, mock.patch("os.fsync"):
        feed = open_feed(Path(name), now, ahead_days=ahead)
        read(feed, FIRST_SEASON)
        cursor, days, most = FIRST_SEASON, 0.0, 0.0
        for what, amount in script:
            if what == "pass":
                most += amount
                now.pass_days(amount)
            elif what == "read":
                for batch in feed.listing(cursor, amount).batches:
                    feed.content(batch.id)
                    cursor = batch.cursor
            else:
                newest(feed)
            known = newest(feed)
            if now.seconds < 1000 + PATIENCE_SECONDS and cursor < len(ALL):
                assert DAYS[known - 1] <= DAYS[cursor] + ahead
            assert days <= feed._clock.days <= most + 1e-6
            days = feed._clock.days
        for _ in range(len(ALL)):  # a reader of all that there is comes to the end
            now.pass_days(8)
            for batch in feed.listing(cursor, 100).batches:
                feed.content(batch.id)
                cursor = batch.cursor
        assert cursor == len(ALL)
        feed.close()
