"""What lies in an inbox besides plain files: odd names, links, pipes, sockets, and an inbox that can't be read."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from parivision_assets.feeds import regular_files
from parivision_assets.feeds.base import collect_offers
from parivision_assets.feeds.files import read_file
from parivision_assets.feeds.inbox import InboxFeed, look_into
from parivision_assets.feeds.regular_files import open_regular
from parivision_assets.reporting import batch_summary
from parivision_assets.steps.feed.ingesting import ingest
from parivision_core.nba.shots import NBA
from parivision_core.problems import FeedError
from parivision_core.store.base import Store
from tests.helpers import shots
from tests.helpers.stores import Place, opened


@pytest.mark.parametrize(
    ("name", "source"),
    [
        (b"Joki\xe6 2023.csv", r"Joki\xe6 2023.csv"),
        (b"\xff.csv", r"\xff.csv"),
        (b"two\nlines\x1b[2J.csv", r"two\nlines\x1b[2J.csv"),
        ("Jokić.csv".encode(), "Jokić.csv"),
    ],
)
def test_a_file_of_any_name_is_ingested(place: Place, tmp_path: Path, name: bytes, source: str) -> None:
    path = tmp_path / "in" / os.fsdecode(name)
    shots.write(shots.season(games=1), path)
    store = opened(place)
    (batch,) = InboxFeed(path.parent, 0).batches()
    manifest = ingest(batch, NBA, store)
    assert (manifest.source, manifest.inserted, manifest.counted) == (source, 60, 60)
    assert store.manifests()[0].source.encode().decode() == source
    assert batch_summary(manifest).isprintable()


def test_a_fault_in_a_file_of_any_name_is_one_line(place: Place, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"two\nlines \xff.csv")
    path.write_text("a,a\n1,2\n")
    (batch,) = InboxFeed(tmp_path, 0).batches()
    store: Store = opened(place)
    with pytest.raises(Exception, match=r"^two\\nlines \\xff\.csv names the columns a more than once$"):
        ingest(batch, NBA, store)
    assert store.failures()[0].error.isprintable()


def test_an_unreadable_file_of_any_name_fails_alone(tmp_path: Path) -> None:
    loop = tmp_path / os.fsdecode(b"\xff.csv")
    loop.symlink_to(loop)
    (batch,) = InboxFeed(tmp_path, 0).batches()
    with pytest.raises(FeedError, match=r"^\\xff\.csv can't be read") as raised:
        batch.read()
    str(raised.value).encode()


def test_ignored_files_of_any_name_are_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff\n.txt")).touch()
    assert rf"{tmp_path}: \xff\n.txt; it takes" in look_into(tmp_path).message


def folder_with_everything(tmp_path: Path) -> Path:
    inbox = tmp_path / "inbox"
    shots.write(shots.season(games=1), inbox / "sound.csv")
    shots.write(shots.season(games=2), inbox / "kept" / "older.csv")
    shots.write(shots.season(games=3), tmp_path / "elsewhere.csv")
    (inbox / "inside.csv").symlink_to("kept/older.csv")
    (inbox / "outside.csv").symlink_to(tmp_path / "elsewhere.csv")
    (inbox / "beside.csv").symlink_to("../inbox2/x.csv")
    (inbox / "nothing.csv").symlink_to("gone.csv")
    os.mkfifo(inbox / "pipe.csv")
    os.mkfifo(inbox / ".hidden.csv")
    (inbox / "zero.csv").symlink_to("/dev/zero")
    (inbox / "notes.txt").touch()
    return inbox


def test_links_out_pipes_and_devices_are_named_and_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox = folder_with_everything(tmp_path)
    touched: list[str] = []
    real = os.open

    def noted(path: str, flags: int, *more: int) -> int:
        touched.append(Path(path).name)
        return real(path, flags | os.O_NONBLOCK, *more)

    monkeypatch.setattr(os, "open", noted)
    offers = collect_offers([InboxFeed(inbox, 0)])
    assert [batch.source for batch in offers.batches] == ["inside.csv", "sound.csv"]
    assert [batch.read().counted for batch in offers.batches] == [120, 60]
    assert set(touched) == {"older.csv", "sound.csv"}
    assert offers.problems == {}
    assert offers.ignored["inbox"].startswith(
        f"Ignored in the inbox {inbox}: beside.csv (a link that leads out), nothing.csv (a link to nothing), "
        "outside.csv (a link that leads out), pipe.csv (a named pipe), zero.csv (a link that leads out) and 1 more; it"
    )


def test_a_socket_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("s.csv")
        assert look_into(tmp_path).ignored == ["s.csv (a socket)"]
        assert InboxFeed(tmp_path, 0).batches() == []


def test_what_takes_a_files_place_after_the_look_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = folder_with_everything(tmp_path)
    (batch,) = [batch for batch in InboxFeed(inbox, 0).batches() if batch.source == "sound.csv"]
    path = inbox / "sound.csv"
    content = path.read_bytes()
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(FeedError, match="has become a link that leads out"):
        batch.read()
    path.unlink()
    os.mkfifo(path)  # opening it would wait for a writer
    with pytest.raises(FeedError, match="is no regular file"):
        batch.read()
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere.csv")
    monkeypatch.setattr(regular_files, "_is_inside", lambda _: True)  # it became one just now
    monkeypatch.setattr(os.path, "realpath", str)
    with pytest.raises(OSError, match="symbolic link"):
        open_regular(path)
    path.unlink()
    path.write_bytes(content)
    assert batch.read().counted == 60


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = shots.write(shots.season(games=1), tmp_path / "a.csv")

    def growing(_: Path) -> object:
        file = path.open("r+b")
        read = file.read

        def more(size: int) -> bytes:
            piece = read(size)
            with path.open("ab") as other:
                other.write(b"1,2\n")
            return piece

        file.read = more  # type: ignore[method-assign]
        return file

    monkeypatch.setattr("parivision_assets.feeds.files.open_regular", growing)
    with pytest.raises(FeedError, match="was changed after it had been offered"):
        read_file(path)


@pytest.mark.parametrize("kind", ["file", "loop", "nothing", "forbidden"])
def test_an_inbox_that_cannot_be_read_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    inbox, sound = tmp_path / "inbox", tmp_path / "sound"
    shots.write(shots.season(games=1), sound / "a.csv")
    match kind:
        case "file":
            inbox.touch()
        case "loop":
            inbox.symlink_to(inbox)
        case "nothing":
            inbox.symlink_to(tmp_path / "gone")
        case _:
            forbid(inbox, monkeypatch)
    other = InboxFeed(sound, 0)
    monkeypatch.setattr(other, "name", "another")
    offers = collect_offers([InboxFeed(inbox, 0), other])
    assert [batch.feed for batch in offers.batches] == ["another"]
    assert offers.problems["inbox"].startswith(f"the inbox {inbox} can't be read: ")
    assert offers.ignored == {}


def forbid(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.iterdir

    def iterdir(path: Path) -> object:
        if path == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
