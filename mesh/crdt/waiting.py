"""Since when a writer's next batch is held here: for people, who ask what is wrong since when.

Invariant: nothing is decided by it, and a writer that is not held up has no such row.
"""

from collections.abc import Callable, Iterable

from mesh.crdt.keys import HELD
from mesh.crdt.replica import Reader, Table, Write
from mesh.ids import WriterId

MILLISECONDS = 1000


def note_waits(
    reader: Reader, put: Callable[[Write], None], before: Iterable[WriterId], after: Iterable[WriterId], now: float
) -> None:
    """Keep the moment for writers that are held up `after` something happened, and forget it for those that were only `before`."""
    waiting = list(after)
    for writer in waiting:
        if reader.get(Table.META, HELD + writer) is None:
            put(Write(Table.META, HELD + writer, str(int(now * MILLISECONDS)).encode()))
    for writer in before:
        if writer not in waiting and reader.get(Table.META, HELD + writer) is not None:
            put(Write(Table.META, HELD + writer, None))


def held_since(reader: Reader, writer: WriterId) -> float | None:
    """The moment (seconds since 1970) from which on a writer is held up; None where that was never noted."""
    row = reader.get(Table.META, HELD + writer)
    return int(row) / MILLISECONDS if row is not None else None
