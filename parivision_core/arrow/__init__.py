"""Reads the Arrow IPC streams that callers send: flat columns of numbers, truth values and text, uncompressed.

A stream from outside may be damaged, or made to do damage. Libraries trust it too much: arro3 ends the whole process
when a buffer lies outside its message. This reader supports less, checks every size before it is used, and raises.
"""

from __future__ import annotations

from parivision_core.arrow.columns import Column, ColumnError, StreamError
from parivision_core.arrow.joining import joined
from parivision_core.arrow.stream import TooManyRowsError, read

MEDIA_TYPE = "application/vnd.apache.arrow.stream"

__all__ = ["MEDIA_TYPE", "Column", "ColumnError", "StreamError", "TooManyRowsError", "joined", "read"]
