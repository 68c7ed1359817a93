"""Checks that are the same for every kind of store: unique ids, finite numbers, usable column names, links that fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from parivision_core.problems import StoreError
from parivision_core.records import Links, Manifest

if TYPE_CHECKING:
    import pyarrow as pa


def check_shots(manifest: Manifest, table: pa.Table, links: Links) -> None:
    """Refuse shots or links that can't be stored. Raises StoreError naming the column or row."""
    import pyarrow as pa  # noqa: PLC0415 - the service opens a store without Arrow
    import pyarrow.compute as pc  # noqa: PLC0415 - see above

    _check_columns("shots", table)
    _check_links(manifest, links)
    others = pc.not_equal(table["batch_id"], manifest.batch_id) if "batch_id" in table.column_names else None
    if others is not None and not manifest.withdraws and pc.any(others).as_py():
        raise StoreError(
            f"{manifest.batch_id} stores rows of another batch; only a withdrawal does. Nothing was stored"
        )
    if kept := links.hides.get(manifest.batch_id):
        table = table.filter(pc.invert(pc.is_in(table["row"], pa.array(kept, table["row"].type))))
    if pc.count_distinct(table["_id"]).as_py() != table.num_rows:
        raise StoreError("an _id of the shots is missing or not unique; nothing was stored")


def _check_links(manifest: Manifest, links: Links) -> None:
    """Refuse links that don't fit their manifest."""
    own = manifest.batch_id
    stated = (manifest.hidden, manifest.kept or 0)
    if (links.hidden(own), links.kept(own)) != stated:
        raise StoreError(f"batch {own} states other numbers of hidden and kept rows than its links have")
    for batch, rows in links.hides.items():
        if len(set(rows)) != len(rows):
            raise StoreError(f"batch {own} hides a row of {batch} twice; nothing was stored")


def check_targets(manifest: Manifest, links: Links, committed: Iterable[str]) -> None:
    """Refuse links to batches that aren't committed. Raises StoreError naming one."""
    unknown = {*links.hides, *links.repeats}.difference(committed, [manifest.batch_id])
    if unknown:
        raise StoreError(f"batch {manifest.batch_id} is linked to {min(unknown)}, which isn't a committed batch")


def check_part(name: str, table: pa.Table) -> None:
    """Refuse a part of the warehouse that can't be stored. Raises StoreError naming the column or row."""
    import pyarrow.compute as pc  # noqa: PLC0415 - see above

    what = f"part {name} of the warehouse"
    _check_columns(what, table)
    ids = table["_id"].combine_chunks()
    if ids.null_count or not pc.all(pc.less(ids[:-1], ids[1:]), min_count=0).as_py():
        raise StoreError(f"{what} isn't sorted by _id, or an _id is missing or not unique; nothing was stored")


def _check_columns(what: str, table: pa.Table) -> None:
    import pyarrow as pa  # noqa: PLC0415 - see above
    import pyarrow.compute as pc  # noqa: PLC0415 - see above

    for column in table.schema:
        if column.name.startswith("$") or "." in column.name:
            raise StoreError(f"{what}: a column can't be named {column.name!r}; nothing was stored")
        if pa.types.is_floating(column.type) and not pc.all(pc.is_finite(table[column.name]), min_count=0).as_py():
            row = pc.index(pc.is_finite(table[column.name]), False).as_py()
            raise StoreError(
                f"{what}: {column.name} of {table['_id'][row].as_py()} is {table[column.name][row].as_py()}, which is "
                "not a finite number; nothing was stored. Correct the code that computes it and run again"
            )
