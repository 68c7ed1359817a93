"""Files in the inbox that are broken, lie about themselves or change; beside each lies a sound one, which must come in.

Of a file that is taken, each row is in the lake, a duplicate, or in quarantine with its reason. A file that is refused
is named with the reason, nothing of it is stored, and it stays in the inbox.
"""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.faults import shared
from benchmarks.faults.outcome import Outcome
from benchmarks.faults.table import Inject, fault
from parivision_assets.feeds.base import collect_offers
from parivision_assets.feeds.inbox import InboxFeed
from parivision_assets.steps.feed.ingesting import ingest, waiting
from parivision_core.nba.shots import NBA
from parivision_core.problems import PariVisionError
from parivision_core.records import PASSED_OVER, Manifest
from parivision_core.store.base import Store
from tests.helpers import shots

ROWS = 60
"""Of each file: one game."""
TAKEN, REFUSED, QUARANTINED = "taken", "refused", "in quarantine"

Make = Callable[[Path, Random], object]
"""Puts the faulty file, named after `BROKEN`, into an inbox."""
BROKEN = "broken"


def frame(drawn: Random) -> Any:
    """A game of another day than the sound file's."""
    return shots.season(games=1, seed=drawn.randrange(1000), start="2023-01-05")


def text(drawn: Random) -> str:
    """A game as csv."""
    made: str = frame(drawn).to_csv(index=False)
    return made


def offered(make: Make, expected: str, word: str) -> Inject:
    """Put the file beside a sound one, and ingest what is offered; `word` must stand in what is said of it."""

    def inject(folder: Path, seed: int) -> Outcome:
        inbox, store = folder / "inbox", shared.store_of(folder)
        shared.season_file(inbox / "sound.csv", start="2022-10-18")
        make(inbox, Random(seed))
        said, taken = ingest_offers(inbox, store)
        others = [manifest for manifest in taken if manifest.source != "sound.csv"]
        said += [failure.error for failure in store.failures()]
        said += [f"{QUARANTINED}: {row.reason}" for row in store.quarantine() if row.reason]
        said += [f"passed over: {manifest.details.get(PASSED_OVER)}" for manifest in others]
        reported = bool(others) == (expected == TAKEN) and (not word or any(word in line for line in said))
        note = "" if reported else f"seed {seed}: {said} {others}"
        return shared.balanced(store, ROWS * (2 if expected == TAKEN else 1), reported=reported, note=note)

    return inject


def ingest_offers(inbox: Path, store: Store) -> tuple[list[str], list[Manifest]]:
    """Ingest what an inbox offers, as a run does; what was said of what couldn't be, and the manifests."""
    offers = collect_offers([InboxFeed(inbox, 0)])
    said, taken = [*offers.problems.values(), *offers.ignored.values()], []
    for batch in waiting(offers.batches, store):
        try:
            taken.append(ingest(batch, NBA, store))
        except PariVisionError as error:
            said.append(str(error))
    return said, taken


def archive(*members: tuple[str, Callable[[list[str]], str]], **stated: int) -> Make:
    """An archive of a game's lines, whose directory states of the last member what is `stated`."""

    def make(inbox: Path, drawn: Random) -> None:
        lines = text(drawn).splitlines(keepends=True)
        with warnings.catch_warnings(), zipfile.ZipFile(inbox / f"{BROKEN}.zip", "w", zipfile.ZIP_DEFLATED) as opened:
            warnings.simplefilter("ignore")  # a name that is there twice
            for name, content in members:
                opened.writestr(name, content(lines))
            for name, value in stated.items():
                setattr(opened.filelist[-1], name, value)

    return make


def csv(change: Callable[[bytes, Random], bytes], name: str = f"{BROKEN}.csv") -> Make:
    """A csv whose bytes were changed."""
    return lambda inbox, drawn: (inbox / name).write_bytes(change(text(drawn).encode(), drawn))


def line(change: Callable[[bytes], bytes]) -> Make:
    """A csv of which one row was changed."""

    def changed(data: bytes, drawn: Random) -> bytes:
        lines = data.splitlines(keepends=True)
        number = drawn.randrange(1, len(lines))
        lines[number] = change(lines[number])
        return b"".join(lines)

    return csv(changed)


def cut(data: bytes, drawn: Random) -> bytes:
    """The beginning."""
    return data[: drawn.randrange(len(data) // 4, len(data) - 1)]


def json_cut(inbox: Path, drawn: Random) -> None:
    """A list of objects that ends too early."""
    (inbox / f"{BROKEN}.json").write_bytes(cut(frame(drawn).to_json(orient="records").encode(), drawn))


def parquet(change: Callable[[bytes, Random], bytes]) -> Make:
    """A Parquet file whose bytes were changed."""

    def make(inbox: Path, drawn: Random) -> None:
        path = inbox / f"{BROKEN}.parquet"
        pq.write_table(pa.Table.from_pandas(frame(drawn)), path)
        path.write_bytes(change(path.read_bytes(), drawn))

    return make


def overwritten(data: bytes, drawn: Random) -> bytes:
    """200 bytes of the content, with others."""
    place = drawn.randrange(8, len(data) // 3)
    return data[:place] + drawn.randbytes(200) + data[place + 200 :]


def link_out(inbox: Path, drawn: Random) -> None:
    """A link to a file outside the inbox."""
    elsewhere = shots.write(frame(drawn), inbox.parent / "elsewhere.csv")
    (inbox / f"{BROKEN}.csv").symlink_to(elsewhere)


def odd_name(inbox: Path, drawn: Random) -> None:
    """A name that is no UTF-8 and holds a line feed."""
    shots.write(
        frame(drawn), inbox / os.fsdecode(f"{BROKEN}\n".encode() + bytes((drawn.randrange(0x80, 0x100),)) + b".csv")
    )


def whole(lines: list[str]) -> str:
    """All lines."""
    return "".join(lines)


def first(lines: list[str]) -> str:
    """The first half, with the header."""
    return "".join(lines[:31])


def second(lines: list[str]) -> str:
    """The other half, with the header."""
    return "".join([lines[0], *lines[31:]])


def nothing(_: list[str]) -> str:
    """No text."""
    return ""


HALVES = (("a.csv", first), ("b.csv", second))
KINDS: dict[str, tuple[int, Make, str, str]] = {
    "an archive with two members of one name": (3, archive(("a.csv", first), ("a.csv", second)), TAKEN, ""),
    "an archive with a member ./name": (3, archive(("a.csv", first), ("./a.csv", second)), TAKEN, ""),
    "an archive with an unknown member": (3, archive(("a.csv", whole), ("notes.txt", whole)), TAKEN, "notes.txt"),
    "an encrypted member of an archive": (3, archive(*HALVES, flag_bits=1), REFUSED, BROKEN),
    "a member packed in an unknown way": (3, archive(*HALVES, compress_type=99), REFUSED, BROKEN),
    "a member with another checksum": (3, archive(*HALVES, CRC=1), REFUSED, BROKEN),
    "a member longer than it says": (3, archive(*HALVES, file_size=9), REFUSED, BROKEN),
    "a member shorter than it says": (3, archive(*HALVES, file_size=90_000), REFUSED, BROKEN),
    "an archive that unpacks to 3 GB": (3, archive(*HALVES, file_size=3 * 10**9), REFUSED, BROKEN),
    "a csv with a quote that never ends": (4, line(lambda row: b'"' + row), TAKEN, QUARANTINED),
    "a csv with a byte that is no UTF-8": (4, line(lambda row: b"\xff" + row), TAKEN, QUARANTINED),
    "a csv with a row too short": (4, line(lambda row: row[: row.index(b",", 40)] + b"\n"), TAKEN, QUARANTINED),
    "a csv with a NUL": (4, line(lambda row: row.replace(b"Player", b"Pl\0yer")), TAKEN, QUARANTINED),
    "a csv with a line of 2 MB": (3, line(lambda row: row[:-1] + b"x" * 2_000_000 + b"\n"), REFUSED, BROKEN),
    "a JSON list that is cut off": (4, json_cut, REFUSED, BROKEN),
    "a Parquet file that is cut off": (4, parquet(cut), REFUSED, BROKEN),
    "a Parquet file with overwritten bytes": (4, parquet(overwritten), REFUSED, BROKEN),
    "an empty file": (1, csv(lambda _, __: b""), REFUSED, BROKEN),
    "a link out of the inbox": (2, link_out, REFUSED, BROKEN),
    "a named pipe in the inbox": (2, lambda inbox, _: os.mkfifo(inbox / f"{BROKEN}.csv"), REFUSED, BROKEN),
    "a name that is no UTF-8": (3, odd_name, TAKEN, ""),
}  # fmt: skip
"""Name -> how often, what is put there, what must come of it, and a word that must be said about it."""

for _name, (_times, _make, _expected, _word) in KINDS.items():
    fault(_times, _name)(offered(_make, _expected, _word))


@fault(3)
def a_file_changes_between_offer_and_read(folder: Path, seed: int) -> Outcome:
    """It is refused now, and offered again with its new content."""
    path, store = shared.season_file(folder / "inbox" / f"{BROKEN}.csv", seed=seed), shared.store_of(folder)
    (batch,) = InboxFeed(path.parent, 0).batches()
    shared.season_file(path, seed=seed + 100)
    try:
        ingest(batch, NBA, store)
        said = ""
    except PariVisionError as error:
        said = str(error)
    refused = not store.manifests()
    shared.ingest_all(path.parent, store)
    return shared.balanced(store, ROWS, reported=refused and path.name in said, note="" if refused else said)


@fault(3)
def the_same_content_under_another_name(folder: Path, seed: int) -> Outcome:
    """It is recognised, at the same look and at a later one."""
    inbox, store = folder / "inbox", shared.store_of(folder)
    for name in ("a.csv", "b.csv", "c.csv"):
        shared.season_file(inbox / name, seed=seed)
        if name != "a.csv":
            ingest_offers(inbox, store)
    return shared.balanced(store, ROWS, reported=len(store.manifests()) == 1)


@fault(3)
def the_same_rows_in_another_file(folder: Path, seed: int) -> Outcome:
    """Each is counted as a duplicate."""
    inbox, store = folder / "inbox", shared.store_of(folder)
    shared.season_file(inbox / "a.csv", seed=seed)
    ingest_offers(inbox, store)
    (inbox / "b.csv").write_text((inbox / "a.csv").read_text().replace("Range", "range"))
    ingest_offers(inbox, store)
    counted = [manifest.duplicates for manifest in store.manifests()] == [0, ROWS]
    return shared.balanced(store, 2 * ROWS, reported=counted, note="" if counted else str(store.manifests()))


@fault(2)
def the_inbox_is_a_file(folder: Path, seed: int) -> Outcome:
    """It is named; what comes once it is a folder again is taken."""
    inbox, store = folder / "inbox", shared.store_of(folder)
    inbox.write_text("in the way")
    said, _ = ingest_offers(inbox, store)
    inbox.unlink()
    shared.season_file(inbox / "a.csv", seed=seed)
    ingest_offers(inbox, store)
    return shared.balanced(store, ROWS, reported=any(str(inbox) in line for line in said))
