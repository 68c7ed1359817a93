"""Writing quarantined rows and stored shots out for correction, and reading the corrections as batches."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial

import msgspec

from parivision_assets.feeds.base import Batch, RawBatch
from parivision_assets.feeds.json_text import read_json_lines
from parivision_assets.steps.feed.linking import ADDRESS, Place, among, standing
from parivision_core.problems import BatchError
from parivision_core.records import Quarantined, withdrawn
from parivision_core.store.base import Store

FEED = "replay"
SHOWN = 5


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a corrections file, in which a person changes only the document."""

    batch: str
    row: int
    reason: str = ""
    document: msgspec.Raw


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of a row that wasn't a document: its text and, for a table, the names of the columns."""

    line: str
    columns: list[str] = []


def unresolved(store: Store, batch_id: str | None = None) -> list[Quarantined]:
    """Quarantined rows that no later batch has corrected, of batches that aren't withdrawn."""
    manifests = store.manifests()
    gone = withdrawn(manifests)
    resolved = {place for manifest in manifests if manifest.batch_id not in gone for place in manifest.resolves}
    rows = store.quarantine(batch_id)
    return [q for q in rows if q.batch_id not in gone and (q.batch_id, q.row) not in resolved]


def to_correct(rows: Iterable[Quarantined]) -> list[str]:
    """A line of JSON for each quarantined row; `corrected` reads them again after the correction."""
    return [_line(q.batch_id, q.row, q.raw, q.reason) for q in rows]


def shots_to_correct(shot_ids: Collection[str], store: Store) -> list[str]:
    """Such a line for each of these stored shots. Raises BatchError naming those that the lake doesn't hold."""
    days = {shot_id.partition(":")[0] for shot_id in shot_ids}
    rows = standing(["_id", *ADDRESS, "raw"], days, store)
    found = {shot_id: _line(batch, row, raw) for shot_id, batch, row, raw in rows.itertuples(index=False)}
    if missing := [shot_id for shot_id in shot_ids if shot_id not in found]:
        raise BatchError(f"the lake holds no shot {', '.join(missing)}; GET /api/v1/shots finds the `_id` of a shot")
    return [found[shot_id] for shot_id in dict.fromkeys(shot_ids)]


def _line(batch: str, row: int, document: str, reason: str = "") -> str:
    line = Correction(batch=batch, row=row, reason=reason, document=msgspec.Raw(document.encode()))
    return msgspec.json.encode(line).decode()


def corrected(name: str, content: bytes, store: Store) -> tuple[list[Batch], int]:
    """The batches that a corrections file makes, and the number of unchanged lines.

    Of each batch that it corrects, there is one for rows in quarantine and one for stored shots. What was inferred from
    the original batch, such as its unit, holds for its corrections: a single row can't show it. Raises BatchError,
    naming each line, when one can't be read or names no such row, or when the corrections were withdrawn before.
    """
    given, problems = _read_lines(content)
    waiting = {(q.batch_id, q.row): q.raw for q in unresolved(store)}
    stored = _documents({place for place in given if place not in waiting}, store)
    changed: dict[tuple[str, bool], dict[int, str]] = {}
    unchanged = 0
    for place, (number, document) in given.items():
        batch, row = place
        try:
            if place not in waiting and place not in stored:
                raise ValueError(f"row {row} of {batch} isn't in quarantine or in the lake, or was replayed already")
            if _same(document, waiting[place] if place in waiting else stored[place]):
                unchanged += 1
            else:
                changed.setdefault((batch, place in stored), {})[row] = _restored(document)
        except ValueError as error:
            problems[number] = str(error)
    if problems:
        lines = [f"line {number}: {problem}" for number, problem in sorted(problems.items())]
        more = f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
        raise BatchError(f"{name} can't be replayed, and no line of it was: {'; '.join(lines[:SHOWN])}{more}")
    manifests = store.manifests()
    details, gone = {manifest.batch_id: manifest.details for manifest in manifests}, withdrawn(manifests)
    batches = [_batch(name, batch, rows, details[batch], of) for (batch, of), rows in changed.items()]
    if again := [gone[batch.id] for batch in batches if batch.id in gone]:
        raise BatchError(f"{name}: these corrections were withdrawn; `make withdraw BATCH={again[0]}` brings them back")
    return batches, unchanged


def _read_lines(content: bytes) -> tuple[dict[Place, tuple[int, msgspec.Raw]], dict[int, str]]:
    """Number and document of the line that corrects each place, and what is wrong with lines, by number."""
    given: dict[Place, tuple[int, msgspec.Raw]] = {}
    problems: dict[int, str] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            correction = msgspec.json.decode(line, type=Correction)
        except (msgspec.MsgspecError, ValueError) as error:  # among them text that isn't UTF-8
            problems[number] = str(error)
            continue
        place = (correction.batch, correction.row)
        if place in given:
            problems[number] = f"row {correction.row} of {correction.batch} is named twice"
        given.setdefault(place, (number, correction.document))
    return given, problems


def _documents(places: Collection[Place], store: Store) -> dict[Place, str]:
    """The documents of stored shots that stand, by place."""
    batches = {batch for batch, _ in places}
    found: dict[Place, str] = {}
    for manifest in store.manifests() if places else ():
        if manifest.batch_id in batches or manifest.withdraws:  # which stores rows of other batches
            rows = among(places, store.lake([*ADDRESS, "raw"], batch=manifest.batch_id))
            found |= {(batch, row): raw for batch, row, raw in rows.itertuples(index=False)}
    return found


def _batch(
    name: str, origin: str, rows: dict[int, str], known: Mapping[str, str | int | float], of_shots: bool
) -> Batch:
    places = tuple((origin, row) for row in rows)
    content = "\n".join(rows.values()).encode()
    fingerprint = hashlib.sha256(f"{origin} {list(rows)}\n".encode() + content).hexdigest()
    return Batch(
        id=f"replay-{fingerprint[:8]}-of-{origin}",
        fingerprint=fingerprint,
        feed=FEED,
        source=f"{name}: corrections of {origin}",
        read=partial(_read, name, content, known, len(rows)),
        resolves=() if of_shots else places,
        corrects=places if of_shots else (),
    )


def _read(name: str, content: bytes, known: Mapping[str, str | int | float], corrections: int) -> RawBatch:
    batch = read_json_lines(name, content)
    return replace(batch, known=known, counted=corrections)


def _restored(document: msgspec.Raw) -> str:
    """A document on one line. Raises ValueError when a kept line of text still isn't a row."""
    text = bytes(document)
    if not text.lstrip().startswith(b"{"):
        raise ValueError("the document isn't an object")
    try:
        row = msgspec.json.decode(text, type=Line)
    except msgspec.ValidationError:
        return b" ".join(text.splitlines()).decode()
    if row.line.lstrip().startswith("{"):
        return _restored(msgspec.Raw(row.line))
    fields = next(csv.reader([row.line]), [])
    if len(fields) != len(row.columns):
        raise ValueError(f"the row has {len(fields)} fields, its columns are {len(row.columns)}")
    return msgspec.json.encode(dict(zip(row.columns, fields, strict=True))).decode()


def _same(document: msgspec.Raw, raw: str) -> bool:
    return bool(msgspec.json.decode(bytes(document)) == msgspec.json.decode(raw))
