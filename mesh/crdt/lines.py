"""What a replica knows of every writer: its context (DESIGN §5).

Invariant: per line, `applied` is at or behind `have`, and both are without gaps; the digest is a function of the `have` heads, so
it is the same wherever the same batches are held, whichever branch of a forked writer came first.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from mesh.crdt.ends import End, Ends, SignedEnd, read_ends
from mesh.crdt.replica import Reader, Table, Write
from mesh.crdt.sums import EVERYTHING, Span, Sums, weigh
from mesh.ids import Head, WriterId

END_WEIGHT = b"end"  # Before an end's name where it is weighed for the digest; heads are longer.
LineId = WriterId
"""A chain of batches as it is stored here: the first-seen one of a writer has the writer's own name."""


class Branch(Struct, frozen=True, array_like=True):
    """A chain that leaves line `base` of its writer behind batch `fork` - 1. What lies before is the base's."""

    line: LineId
    base: LineId
    fork: int


class Line(Struct, frozen=True, array_like=True):
    """One chain: the head held here, the head applied here, the newest applied stamp, and its node's public key.

    The key stands here so that a batch is verified without reading its writer's certificate. `branch` is None for the first-seen
    chain of a writer. A branch of which nothing is applied has the batch before its first as its applied head.
    """

    have: Head
    applied: Head
    stamp: int
    key: bytes
    branch: Branch | None = None

    @property
    def id(self) -> LineId:
        """The name under which its batches are stored here."""
        return self.have.writer if self.branch is None else self.branch.line

    @property
    def first(self) -> int:
        """The number of its first own batch."""
        return 1 if self.branch is None else self.branch.fork

    @property
    def has_applied(self) -> bool:
        """Whether an own batch of it is applied."""
        return self.applied.number >= self.first

    @property
    def leaves(self) -> tuple[LineId, int] | None:
        """The line and the number of the batch behind which it begins; None for a first-seen line."""
        return None if self.branch is None else (self.branch.base, self.branch.fork - 1)


Lines = Mapping[LineId, Line]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Line).decode


def line_write(line: Line) -> Write:
    """The write that records a line: in CONTEXT, or in FORKS where it is a further branch of its writer."""
    if line.branch is None:
        row = _encode((line.have, line.applied, line.stamp, line.key))  # As before there were branches.
        return Write(Table.CONTEXT, line.have.writer, row)
    return Write(Table.FORKS, line.have.writer + line.branch.line, _encode(line))


def drop_write(line: Line) -> Write:
    """The write that takes a line's row away."""
    write = line_write(line)
    return Write(write.table, write.key, None)


def decode_line(row: bytes) -> Line:
    """The line in a row of CONTEXT or FORKS. Raises msgspec.MsgspecError where a disk has damaged it."""
    return _decode(row)


def read_lines(reader: Reader) -> dict[LineId, Line]:
    """All lines of a replica."""
    lines = {WriterId(key): _decode(row) for key, row in reader.scan(Table.CONTEXT)}
    return lines | {LineId(key[16:]): _decode(row) for key, row in reader.scan(Table.FORKS)}


def read_line(reader: Reader, writer: WriterId) -> Line | None:
    """The first-seen line of one writer of a replica."""
    row = reader.get(Table.CONTEXT, writer)
    return _decode(row) if row is not None else None


def read_family(reader: Reader, writer: WriterId) -> dict[LineId, Line]:
    """All lines of one writer of a replica: more than one where it forked."""
    found = [line] if (line := read_line(reader, writer)) is not None else []
    found += [_decode(row) for _, row in reader.scan(Table.FORKS, writer)]
    return {line.id: line for line in found}


def leaves_of(lines: Lines, name: LineId) -> dict[LineId, int]:
    """How far other lines count of the chain that line `name` goes on: those that it leaves, the nearest first."""
    leaves: dict[LineId, int] = {}
    while (branch := lines[name].branch) is not None:
        name, before = branch.base, branch.fork - 1
        leaves[name] = min(before, *leaves.values()) if leaves else before
    return leaves


def has_forks(reader: Reader) -> bool:
    """Whether any writer of this replica forked."""
    return next(reader.scan(Table.FORKS), None) is not None


def read_context(reader: Reader) -> "Context":
    """All lines and ends of a replica."""
    return Context(read_lines(reader), read_ends(reader))


class Context:
    """The lines of all writers, and the ends of some. Sums of the `have` heads cost what has moved since they were asked for."""

    __slots__ = ("_counted", "_moved", "_sums", "branches", "ends", "lines", "moves")

    def __init__(self, lines: Lines, ends: Ends | None = None) -> None:
        self.lines: dict[LineId, Line] = {}
        self.moves = 0  # How often a line was replaced: who keeps something made of the lines knows when it is stale.
        self.branches: dict[WriterId, list[LineId]] = {}  # Of forked writers, each behind the line that it leaves.
        self._sums = Sums()
        self._counted: dict[LineId, tuple[WriterId, int]] = {}  # What each line's head adds to the sums.
        self.ends = Ends()
        for name, end in (ends or self.ends).by_name.items():
            self.end((ends or self.ends).signed[name], end)
        self._moved: dict[LineId, None] = {}  # Since the sums were last asked for.
        for line in lines.values():
            self.move(line)

    def copy(self) -> "Context":
        """An independent context with the same lines."""
        return Context(self.lines, self.ends)

    def end(self, signed: SignedEnd, end: End) -> bool:
        """Take in an end of a writer. False: it is known already. What it takes has to be dropped by whoever knows the log."""
        if not self.ends.add(signed, end):
            return False
        self._sums.add(end.writer, weigh(END_WEIGHT + signed.name))
        return True

    def drop(self, name: LineId) -> None:
        """Forget a line."""
        line = self.lines.pop(name, None)
        if line is None:
            return
        left = [other for other in self.branches.pop(line.have.writer, []) if other != name]
        if left:
            self.branches[line.have.writer] = left
        self.moves += 1
        self._moved[name] = None

    def move(self, line: Line) -> None:
        """Replace what is known of one line."""
        if line.branch is None:
            name = line.have.writer
        elif (name := line.branch.line) not in self.lines:
            self._add_branch(line.have.writer, name, line.branch.fork)
        self.lines[name] = line
        self.moves += 1
        self._moved[name] = None

    def _add_branch(self, writer: WriterId, name: LineId, fork: int) -> None:
        forks = {other: self.lines[other].first for other in self.branches.get(writer, ())} | {name: fork}
        self.branches[writer] = sorted(forks, key=lambda other: (forks[other], other))

    def family(self, writer: WriterId) -> list[Line]:
        """The lines of a writer, each behind the one that it leaves; none where the writer is not known."""
        line = self.lines.get(writer)
        if line is None:
            return []
        return [line, *(self.lines[name] for name in self.branches.get(writer, ()))]

    @property
    def digest(self) -> bytes:
        """16 bytes; equal digests mean equal `have` heads and ends. Not a security claim: batches are signed."""
        return self._settled().digest

    def sums(self, of: int) -> bytes:
        """The sums of the `have` heads in `of` buckets of writers, 8 bytes each."""
        return self._settled().coarse(of)

    def _settled(self) -> Sums:
        if not self._moved:
            return self._sums
        for name in self._moved:
            if (before := self._counted.pop(name, None)) is not None:
                self._sums.add(before[0], -before[1])
            if (line := self.lines.get(name)) is not None:
                self._counted[name] = line.have.writer, _weigh(line.have)
                self._sums.add(*self._counted[name])
        self._moved.clear()
        return self._sums

    def heads(self, span: Span = EVERYTHING) -> tuple[Head, ...]:
        """What is held of every writer in `span`, ordered by writer: one head for each branch."""
        return tuple(sorted(line.have for line in self.lines.values() if span.covers(line.have.writer)))

    def token(self) -> dict[WriterId, int]:
        """What is applied of every writer: the causal position of a read. `mesh/crdt/branches.py` tells how forks are named."""
        return {self._named(line): line.applied.number for line in self.lines.values() if self._is_tip(line)}

    def _is_tip(self, line: Line) -> bool:
        """Whether something of a line is applied, and no branch goes on right there."""
        ends = (line.id, line.applied.number)
        others = (self.lines[name] for name in self.branches.get(line.have.writer, ()))
        return line.has_applied and not any(other.has_applied and other.leaves == ends for other in others)

    def _named(self, line: Line) -> WriterId:
        writer = line.have.writer
        return WriterId(writer + line.applied.hash[:8]) if writer in self.branches else writer


def _weigh(head: Head) -> int:
    return weigh(head.writer + head.number.to_bytes(8, "big") + head.hash)
