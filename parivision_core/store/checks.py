"""Checks that are the same for every kind of store: unique ids, finite numbers, usable column names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parivision_core.problems import StoreError

if TYPE_CHECKING:
    import pyarrow as pa


def check_shots(table: pa.Table) -> None:
    """Refuse shots that can't be stored. Raises StoreError naming the column or row."""
    import pyarrow.compute as pc  # noqa: PLC0415 - the service opens a store without Arrow

    _check_columns("shots", table)
    if pc.count_distinct(table["_id"]).as_py() != table.num_rows:
        raise StoreError("an _id of the shots is missing or not unique; nothing was stored")


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
