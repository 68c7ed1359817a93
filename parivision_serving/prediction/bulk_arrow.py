"""Encodes the answer to a bulk request as an Arrow IPC stream."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PROBLEM = "problem"


def encode_arrow(
    columns: Mapping[str, NDArray[np.float64]], problems: Mapping[int, str], metadata: Mapping[str, str]
) -> bytes:
    """An uncompressed stream of float64 columns (n,), null where a row has a problem, and a text column of `problems`.

    `problems` maps rows to messages.
    """
    from arro3.core import Array, DataType, Schema, Table  # noqa: PLC0415 - few answers are Arrow, and its import is slow
    from arro3.core import Field as ArrowField  # noqa: PLC0415 - as above
    from arro3.io import write_ipc_stream  # noqa: PLC0415 - as above

    number, text = DataType.float64(), DataType.utf8()
    rows = len(next(iter(columns.values())))

    def array(values: NDArray[np.float64]) -> Array:
        if not problems:
            return Array.from_numpy(np.ascontiguousarray(values))
        nullable: list[Any] = values.tolist()
        for row in problems:
            nullable[row] = None
        return Array(nullable, type=number)

    schema = Schema(
        [ArrowField(name, number, nullable=True) for name in columns] + [ArrowField(PROBLEM, text, nullable=True)],
        metadata=dict(metadata),
    )
    messages: Sequence[str | None] = [problems.get(row) for row in range(rows)]
    table = Table.from_arrays(
        [*(array(values) for values in columns.values()), Array(messages, type=text)], schema=schema
    )
    out = io.BytesIO()
    write_ipc_stream(table, out, compression=None)
    return out.getvalue()
