"""The listing survives a restart without a season being played again; a damaged file is replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parivision_serving.virtual_bets.listed_batches import FILE
from parivision_serving.virtual_bets.schemas import Listing
from tests.helpers.small_feed import FakeTime, SmallSource, open_feed


def listing(folder: Path, now: FakeTime) -> Listing:
    """The listing of a feed that is started and closed for it."""
    feed = open_feed(folder, now)
    try:
        return feed.listing(0, 100)
    finally:
        feed.close()


def file_of(folder: Path) -> Path:
    (found,) = folder.rglob(FILE)
    return found


def test_a_restart_lists_the_same_batches_without_playing_them_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = FakeTime()
    before = listing(tmp_path, now)
    now.pass_days(9)
    played: list[str] = []
    play = SmallSource.documents

    def documents(self: SmallSource, season: int, offer: Any) -> Any:
        played.append(offer.id)
        return play(self, season, offer)

    monkeypatch.setattr(SmallSource, "documents", documents)
    feed = open_feed(tmp_path, now)
    assert feed.listing(0, 100) == before and not played
    now.pass_days(3)
    after = feed.listing(0, 100)
    assert after.batches[: len(before.batches)] == before.batches
    new = [batch.id for batch in after.batches[len(before.batches) :]]
    assert new and played == new
    content, fingerprint = feed.content(before.batches[0].id)
    assert content and fingerprint == before.batches[0].fingerprint
    feed.close()
    played.clear()
    assert listing(tmp_path, now) == after and not played


@pytest.mark.parametrize("cut", [1, 30])
def test_a_file_that_was_cut_off_is_repaired(tmp_path: Path, cut: int) -> None:
    now = FakeTime()
    before = listing(tmp_path, now)
    whole = file_of(tmp_path).read_bytes()
    file_of(tmp_path).write_bytes(whole[:-cut])
    assert listing(tmp_path, now) == before
    assert file_of(tmp_path).read_bytes() == whole


@pytest.mark.parametrize("content", [b"", b"no JSON", b'"another source"\n{"id":"x"}\n', b'"small"\n{"id":"x"}\n'])
def test_an_unusable_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    now = FakeTime()
    before = listing(tmp_path, now)
    whole = file_of(tmp_path).read_bytes()
    file_of(tmp_path).write_bytes(content)
    assert listing(tmp_path, now) == before
    assert file_of(tmp_path).read_bytes() == whole


def test_without_its_file_a_feed_works_on(tmp_path: Path) -> None:
    now = FakeTime()
    before = listing(tmp_path, now)
    file_of(tmp_path).unlink()
    (tmp_path / "virtual_bets" / FILE).mkdir()
    assert listing(tmp_path, now) == before
