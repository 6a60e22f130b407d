"""Since when a line's next batch is held here: for people, who ask what is wrong since when.

Invariant: nothing is decided by it, and a line that is not held up has no such row.
"""

from collections.abc import Callable, Iterable

from mesh.crdt.keys import HELD
from mesh.crdt.lines import LineId
from mesh.crdt.replica import Reader, Table, Write

MILLISECONDS = 1000


def note_waits(
    reader: Reader, put: Callable[[Write], None], before: Iterable[LineId], after: Iterable[LineId], now: float
) -> None:
    """Keep the moment for lines that are held up `after` something happened, and forget it for those that were only `before`."""
    waiting = list(after)
    for line in waiting:
        if reader.get(Table.META, HELD + line) is None:
            put(Write(Table.META, HELD + line, str(int(now * MILLISECONDS)).encode()))
    for line in before:
        if line not in waiting and reader.get(Table.META, HELD + line) is not None:
            put(Write(Table.META, HELD + line, None))


def held_since(reader: Reader, line: LineId) -> float | None:
    """The moment (seconds since 1970) from which on a line is held up; None where that was never noted."""
    row = reader.get(Table.META, HELD + line)
    return int(row) / MILLISECONDS if row is not None else None
