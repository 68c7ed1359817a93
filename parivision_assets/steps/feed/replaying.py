"""Writing quarantined rows out for correction, and reading the corrections as batches that resolve them."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

import msgspec

from parivision_assets.feeds.base import Batch, RawBatch
from parivision_assets.feeds.json_text import read_json_lines
from parivision_core.problems import BatchError
from parivision_core.records import Quarantined
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
    """Quarantined rows that no later batch has corrected."""
    resolved = {place for manifest in store.manifests() for place in manifest.resolves}
    return [q for q in store.quarantine(batch_id) if (q.batch_id, q.row) not in resolved]


def to_correct(rows: Iterable[Quarantined]) -> list[str]:
    """A line of JSON for each quarantined row; `corrected` reads them again after the correction."""
    lines = (Correction(batch=q.batch_id, row=q.row, reason=q.reason, document=msgspec.Raw(q.raw)) for q in rows)
    return [msgspec.json.encode(line).decode() for line in lines]


def corrected(name: str, content: bytes, store: Store) -> tuple[list[Batch], int]:
    """The batches that a corrections file makes, one for each batch it corrects, and the number of unchanged lines.

    What was inferred from the original batch, such as its unit, holds for its corrections: a single row can't show it.
    Raises BatchError, naming each line, when one can't be read or names no quarantined row.
    """
    waiting = {(q.batch_id, q.row): q for q in unresolved(store)}
    changed: dict[str, dict[int, str]] = {}
    seen: set[tuple[str, int]] = set()
    problems: list[str] = []
    unchanged = 0
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            given = msgspec.json.decode(line, type=Correction)
            place = (given.batch, given.row)
            if place in seen:
                raise ValueError(f"row {given.row} of {given.batch} is named twice")
            if place not in waiting:
                raise ValueError(f"row {given.row} of {given.batch} isn't in quarantine, or was replayed already")
            seen.add(place)
            if _same(given.document, waiting[place].raw):
                unchanged += 1
            else:
                changed.setdefault(given.batch, {})[given.row] = _restored(given.document)
        except (msgspec.MsgspecError, ValueError) as error:  # among them text that isn't UTF-8
            problems.append(f"line {number}: {error}")
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise BatchError(f"{name} can't be replayed, and no line of it was: {'; '.join(problems[:SHOWN])}{more}")
    details = {manifest.batch_id: manifest.details for manifest in store.manifests()}
    return [_batch(name, batch, rows, details[batch]) for batch, rows in changed.items()], unchanged


def _batch(name: str, origin: str, rows: dict[int, str], known: Mapping[str, str | int | float]) -> Batch:
    content = "\n".join(rows.values()).encode()
    fingerprint = hashlib.sha256(f"{origin} {list(rows)}\n".encode() + content).hexdigest()
    return Batch(
        id=f"replay-{fingerprint[:8]}-of-{origin}",
        fingerprint=fingerprint,
        feed=FEED,
        source=f"{name}: corrections of {origin}",
        read=partial(_read, name, content, known, len(rows)),
        resolves=tuple((origin, row) for row in rows),
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
