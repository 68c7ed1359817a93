"""A token bucket admits what its rate and burst allow, separately for each caller, in bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parivision_serving.web import limits
from parivision_serving.web.limits import RateLimit


@given(rate=st.floats(0.5, 100), burst=st.floats(1, 50), pauses=st.lists(st.floats(0, 2), min_size=1, max_size=200))
def test_never_more_than_burst_and_rate_allow(rate: float, burst: float, pauses: list[float]) -> None:
    limit, now, admitted = RateLimit(rate, burst), 0.0, 0
    for pause in pauses:
        now += pause
        admitted += limit.wait("x", now) == 0
    assert admitted <= burst + rate * now + 1e-6


@given(rate=st.floats(0.5, 100), burst=st.floats(1, 50))
def test_a_caller_that_waits_as_long_as_reported_is_admitted(rate: float, burst: float) -> None:
    limit, now = RateLimit(rate, burst), 0.0
    for _ in range(120):
        if seconds := limit.wait("x", now):
            now += seconds * (1 + 1e-9) + 1e-9
            assert limit.wait("x", now) == 0


def test_each_caller_has_its_own_bucket() -> None:
    limit = RateLimit(1, 1)
    assert limit.wait("a", 0) == 0
    assert limit.wait("a", 0) == pytest.approx(1)
    assert limit.wait("b", 0) == 0


def test_no_rate_is_no_limit() -> None:
    assert {RateLimit(0).wait("a", 0) for _ in range(1000)} == {0.0}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_CALLERS", 3)
    limit = RateLimit(1, 1)
    for caller in "abcd":
        limit.wait(caller, 0)
    assert list(limit._buckets) == ["b", "c", "d"]
