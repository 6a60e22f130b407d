"""What the recorder wrote down, and the disks that a power cut may have left of it.

Invariant: what was durable at the moment of the cut is on every such disk; of what came after, any part may be.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from struct import Struct as Layout
from typing import NamedTuple

WRITE, TRUNCATE, SYNC, MARK, NAME, NAMES_SYNC = 1, 2, 3, 4, 5, 6
BLOCK = 4096  # A disk keeps or loses no less; LMDB's meta page is written as one sector of one.
HEAD = Layout("<5Q")


class Entry(NamedTuple):
    """One call. `synchronous` ones are durable once the next call is made."""

    kind: int
    synchronous: bool
    offset: int
    size: int
    content: bytes


class Cut(NamedTuple):
    """A disk as a power cut left it, and what had been promised by then. `at` is the number of calls made.

    `in_place` is whether the file has got its name; else it is where it was made.
    """

    at: int
    content: bytes
    in_place: bool
    promises: tuple[bytes, ...]


def read_record(path: Path) -> list[Entry]:
    """All entries of a record."""
    raw, at, found = path.read_bytes(), 0, []
    while at < len(raw):
        kind, synchronous, offset, size, length = HEAD.unpack_from(raw, at)
        at += HEAD.size
        found.append(Entry(kind, bool(synchronous), offset, size, raw[at : at + length]))
        at += length
    return found


def cuts(entries: list[Entry], count: int, rng: Random) -> Iterator[Cut]:
    """`count` disks after random power cuts, earliest first."""
    disk, kept = _Disk(), 0
    moments = sorted(rng.randrange(len(entries) + 1) for _ in range(count))
    for moment in moments:
        syncs = [at for at in range(kept, moment) if entries[at].kind == SYNC]
        safe = syncs[-1] if syncs else kept
        for entry in entries[kept:safe]:
            disk.apply(entry)
        kept = safe
        after = disk.copy()
        for at in range(kept, min(moment + 1, len(entries))):  # The call under way may have got through as well.
            certain = entries[at].synchronous and at < moment
            after.apply(entries[at]) if certain else after.apply_some(entries[at], rng)
        promises = tuple(entry.content for entry in entries[:moment] if entry.kind == MARK)
        yield Cut(moment, bytes(after.content), _in_place(entries[: moment + 1], moment, rng), promises)


def _in_place(entries: list[Entry], moment: int, rng: Random) -> bool:
    """Whether a file that was made elsewhere has got its name by then."""
    named = next((at for at, entry in enumerate(entries) if entry.kind == NAME), None)
    if named is None:
        return False
    certain = any(entry.kind == NAMES_SYNC for entry in entries[named:moment])
    return certain or rng.random() < 0.5


class _Disk:
    """The watched file's content."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = bytearray(content)

    def copy(self) -> "_Disk":
        return _Disk(self.content)

    def apply(self, entry: Entry) -> None:
        if entry.kind == WRITE:
            self._put(entry.offset, entry.content)
        elif entry.kind == TRUNCATE:
            self.content = self.content[: entry.size].ljust(entry.size, b"\0")

    def apply_some(self, entry: Entry, rng: Random) -> None:
        """Some of the blocks that a call touches."""
        if entry.kind == TRUNCATE and rng.randrange(2):
            self.apply(entry)
        if entry.kind != WRITE:
            return
        share = rng.choice((0.0, 0.1, 0.5, 0.9, 1.0))  # Whole calls get lost more often than every second block.
        start, end = entry.offset, entry.offset + len(entry.content)
        while start < end:
            until = min(end, (start // BLOCK + 1) * BLOCK)
            if rng.random() < share:
                self._put(start, entry.content[start - entry.offset : until - entry.offset])
            start = until

    def _put(self, offset: int, content: bytes) -> None:
        if offset > len(self.content):
            self.content.extend(bytes(offset - len(self.content)))
        self.content[offset : offset + len(content)] = content
