"""Parquet files that exist as a whole or not at all. Arrow is imported on use: the service opens a store without it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parivision_core.problems import StoreError

if TYPE_CHECKING:
    import pyarrow as pa


def write(folder: Path, name: str, table: pa.Table) -> Path:
    """Write a Parquet file under a name never used before, flush it to disk, and rename it into place.

    Raises StoreError when the disk is full or the folder can't be written.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - see above

    target = folder / f"{name}-{uuid.uuid4().hex[:8]}.parquet"
    partial = target.with_suffix(".partial")
    try:
        with partial.open("wb") as file:
            pq.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
        _flush(folder)
    except OSError as error:
        raise StoreError(f"can't write {target}: {error}; free some space or check the folder's permissions") from error
    finally:
        partial.unlink(missing_ok=True)
    return target


def _flush(folder: Path) -> None:
    """Flush a folder; otherwise a renamed file may be missing after a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(
    path: Path,
    columns: Sequence[str] | None,
    since: str | None = None,
    until: str | None = None,
    days: Collection[str] | None = None,
) -> pa.Table:
    """Columns of a Parquet file, of game days from `since` to `until` and among `days`.

    Raises StoreError when it is damaged or gone.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - see above

    conditions: list[tuple[str, str, Any]] = [
        ("game_date", op, day) for op, day in ((">=", since), ("<=", until)) if day is not None
    ]
    if days is not None:
        conditions.append(("game_date", "in", set(days)))
    try:
        return pq.read_table(path, columns=list(columns) if columns else None, filters=conditions or None)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def rows_in(path: Path) -> int:
    """Rows of a Parquet file, without reading them. Raises StoreError when it is damaged or gone."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - see above

    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> StoreError:
    return StoreError(f"can't read {path}: {error}; restore it from a backup or ingest its batch again")
