"""What was told of each batch, kept over a restart: to tell it anew, each season so far would be played again."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from parivision_serving.virtual_bets.schemas import ListedBatch

FILE = "told.jsonl"


class AnnouncedBatches:
    """The listing by cursor, and its file: a line for the world, and one for each batch.

    Nothing depends on the file. What can't be read in it is worked out again, what can't be written stays in memory.
    """

    def __init__(self, folder: Path, world: str) -> None:
        """Read what is there of this world; anything else goes with the next batch that is told."""
        self._path, self._world = folder / FILE, world
        self._batches: dict[int, ListedBatch] = {}
        self._sound = self._read()

    def get(self, cursor: int) -> ListedBatch | None:
        """The batch of a cursor, if it was told before."""
        return self._batches.get(cursor)

    def add(self, batch: ListedBatch) -> None:
        """Remember a batch."""
        self._batches[batch.cursor] = batch
        lines: list[str | ListedBatch] = [batch] if self._sound else [self._world, *self._batches.values()]
        # A full disk is told of by the state, which must be kept.
        with suppress(OSError), self._path.open("ab" if self._sound else "wb") as file:
            file.writelines(map(_line, lines))
            self._sound = True

    def _read(self) -> bool:
        """Whether the file is of this world and whole, so that it may be added to."""
        try:
            world, *lines = self._path.read_bytes().splitlines(keepends=True)
            if world != _line(self._world):
                return False
            for line in lines:
                batch = msgspec.json.decode(line, type=ListedBatch)
                if not line.endswith(b"\n"):  # cut off, as by a crash
                    return False
                self._batches[batch.cursor] = batch
        except (OSError, ValueError):  # there is none, it is empty, or no JSON of ours
            return False
        return True


def _line(value: str | ListedBatch) -> bytes:
    return msgspec.json.encode(value) + b"\n"
