"""From a delivered batch to the rows that enter the lake: parse, quarantine, drop repeats, convert types."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from parivision_assets.feeds.base import RawBatch
from parivision_core.problems import BatchError
from parivision_core.records import PASSED_OVER, Quarantined
from parivision_core.sport import Sport

MIN_ROWS_TO_JUDGE = 20
MAX_WRONG_SHARE = 0.5


@dataclass(frozen=True)
class Cleaned:
    """What became of a batch's rows."""

    shots: pd.DataFrame
    """Sound rows in the contract's fields, indexed by their number in the batch."""
    raw: pd.DataFrame
    """Their text columns, same index."""
    documents: pd.Series | None
    """JSON text of every row by its number in the batch, where the source had one."""
    quarantined: list[Quarantined]
    repeats: int
    counted: int | None
    """See RawBatch."""
    layout: str
    details: dict[str, str | int | float]

    @property
    def rows(self) -> int:
        """Rows that the batch had."""
        return len(self.shots) + len(self.quarantined) + self.repeats


def clean(batch: RawBatch, sport: Sport, batch_id: str) -> Cleaned:
    """Sort a batch's rows into sound ones, quarantined ones and exact repeats.

    A repeat is a row equal to an earlier one in every field of the contract or, where it breaks the contract, in every
    delivered field. Raises BatchError when the batch as a whole can't be read, or when another number of rows was
    counted in it.
    """
    raw = batch.table.to_pandas()
    raw.index = pd.Index(batch.rows)
    given = None if batch.documents is None else pd.Series(batch.documents, raw.index, dtype=object)
    if raw.empty and batch.broken:
        raise BatchError(f"none of the {len(batch.broken)} rows can be read; of the first, {batch.broken[0].reason}")
    parsed = sport.parse(raw, batch.known)
    sound = parsed.reasons == ""
    _refuse_misread([*parsed.reasons, *(b.reason for b in batch.broken)])
    shots = typed(parsed.shots[sound], sport)
    again = shots.duplicated()
    bad = raw[~sound]
    bad_again = bad.duplicated()
    reasons = parsed.reasons[~sound][~bad_again.to_numpy()]
    quarantined = [
        Quarantined(batch_id=batch_id, row=int(row), reason=str(reason), raw=text)
        for row, reason, text in zip(bad.index[~bad_again], reasons, documents(bad[~bad_again], given), strict=True)
    ]
    broken = {b.text: b for b in reversed(batch.broken)}.values()
    columns = batch.table.column_names if batch.documents is None else []
    quarantined += [
        Quarantined(batch_id=batch_id, row=b.row, reason=b.reason, raw=_line(b.text, columns)) for b in broken
    ]
    repeats = int(again.sum()) + int(bad_again.sum()) + len(batch.broken) - len(broken)
    kept = shots[~again]
    details = parsed.details | ({PASSED_OVER: batch.passed_over} if batch.passed_over else {})
    cleaned = Cleaned(kept, raw.loc[kept.index], given, quarantined, repeats, batch.counted, parsed.layout, details)
    if cleaned.counted not in (None, cleaned.rows):
        raise BatchError(
            f"{cleaned.counted:,} rows were counted, but {cleaned.rows:,} read ({len(kept):,} sound ones, "
            f"{len(quarantined):,} for quarantine, {repeats:,} repeats); nothing was stored, please report it"
        )
    return cleaned


def _line(text: str, columns: list[str]) -> str:
    """A row that isn't a document, kept with the names of its columns, which are needed to correct it."""
    return msgspec.json.encode({"line": text, **({"columns": columns} if columns else {})}).decode()


def _refuse_misread(reasons: list[str]) -> None:
    """Raise BatchError when most rows of a batch break the contract: then its layout was misread.

    If it were committed with all its rows in quarantine, it would never be offered again, not even to a fixed reader.
    """
    wrong = [reason for reason in reasons if reason]
    if len(reasons) >= MIN_ROWS_TO_JUDGE and len(wrong) > MAX_WRONG_SHARE * len(reasons):
        example, _ = Counter(wrong).most_common(1)[0]
        raise BatchError(
            f"{len(wrong)} of {len(reasons)} rows break the contract, so the file as a whole does: {example}"
        )


def typed(shots: pd.DataFrame, sport: Sport) -> pd.DataFrame:
    """The contract's fields in the contract's types."""
    kinds = {field: str if kind == "string" else np.dtype(kind) for field, kind in sport.fields.items()}
    return shots[list(sport.fields)].astype(kinds)


def documents(raw: pd.DataFrame, given: pd.Series | None) -> list[str]:
    """Each row as delivered, as JSON text: the `given` one, else from its columns (3 times as fast as by pandas)."""
    if given is not None:
        texts: list[str] = given.loc[raw.index].tolist()
        return texts
    names, encode = list(raw.columns), msgspec.json.Encoder().encode
    rows = zip(*(raw[name].tolist() for name in names), strict=True)
    return [encode(dict(zip(names, row, strict=True))).decode() for row in rows]


def lake_table(cleaned: Cleaned, ids: pd.Series, sport: Sport, batch_id: str, ingested_at: int) -> pa.Table:
    """The new shots as the lake stores them: contract fields, then the envelope with the document as delivered."""
    new = ids.notna().to_numpy()
    shots, raw = cleaned.shots[new], cleaned.raw[new]
    columns = {"_id": pa.array(ids[new], pa.string())}
    columns |= {field: pa.array(shots[field].to_numpy(), kind) for field, kind in sport.fields.items()}
    columns |= {
        "batch_id": pa.array([batch_id] * len(shots), pa.string()),
        "row": pa.array(shots.index.to_numpy(), pa.int32()),
        "ingested_at": pa.array([ingested_at] * len(shots), pa.int64()),
        "raw": pa.array(documents(raw, cleaned.documents), pa.string()),
    }
    return pa.table(columns)
