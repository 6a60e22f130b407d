"""What a replica knows of every writer: its context (DESIGN §5).

Invariant: per writer, `applied` is at or behind `have`, and both are without gaps; the digest is a function of the `have` heads.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct

from mesh.crdt.replica import Reader, Table, Write
from mesh.crdt.sums import EVERYTHING, Span, Sums, weigh
from mesh.ids import Head, WriterId


class Line(Struct, frozen=True, array_like=True):
    """One writer: the head held here, the head applied here, the newest applied stamp, and its node's public key.

    The key stands here so that a batch is verified without reading its writer's certificate.
    """

    have: Head
    applied: Head
    stamp: int
    key: bytes


Lines = Mapping[WriterId, Line]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Line).decode


def line_write(line: Line) -> Write:
    """The write that records a line in CONTEXT."""
    return Write(Table.CONTEXT, line.have.writer, _encode(line))


def decode_line(row: bytes) -> Line:
    """The line in a row of CONTEXT. Raises msgspec.MsgspecError where a disk has damaged it."""
    return _decode(row)


def read_lines(reader: Reader) -> dict[WriterId, Line]:
    """All lines of a replica."""
    return {WriterId(key): _decode(row) for key, row in reader.scan(Table.CONTEXT)}


def read_line(reader: Reader, writer: WriterId) -> Line | None:
    """The line of one writer of a replica."""
    row = reader.get(Table.CONTEXT, writer)
    return _decode(row) if row is not None else None


class Context:
    """The lines of all writers, with sums of the `have` heads that cost what has moved since they were last asked for."""

    def __init__(self, lines: Mapping[WriterId, Line]) -> None:
        self.lines: dict[WriterId, Line] = dict(lines)
        self.moves = 0  # How often a line was replaced: who keeps something made of the lines knows when it is stale.
        self._sums = Sums()
        self._counted: dict[WriterId, int] = {}  # What each writer's head adds to the sums.
        self._moved: dict[WriterId, None] = dict.fromkeys(self.lines)  # Since the sums were last asked for.

    def copy(self) -> "Context":
        """An independent context with the same lines."""
        return Context(self.lines)

    def move(self, line: Line) -> None:
        """Replace what is known of one writer."""
        self.lines[line.have.writer] = line
        self.moves += 1
        self._moved[line.have.writer] = None

    @property
    def digest(self) -> bytes:
        """16 bytes; equal digests mean equal `have` heads. Not a security claim: batches are signed."""
        return self._settled().digest

    def sums(self, of: int) -> bytes:
        """The sums of the `have` heads in `of` buckets of writers, 8 bytes each."""
        return self._settled().coarse(of)

    def _settled(self) -> Sums:
        for writer in self._moved:
            weight = _weigh(self.lines[writer].have)
            self._sums.add(writer, weight - self._counted.get(writer, 0))
            self._counted[writer] = weight
        self._moved.clear()
        return self._sums

    def heads(self, span: Span = EVERYTHING) -> tuple[Head, ...]:
        """What is held of every writer in `span`, ordered by writer."""
        return tuple(self.lines[writer].have for writer in sorted(filter(span.covers, self.lines)))

    def token(self) -> dict[WriterId, int]:
        """What is applied of every writer: the causal position of a read."""
        return {writer: line.applied.number for writer, line in self.lines.items() if line.applied.number}

    def covers(self, token: Mapping[WriterId, int]) -> bool:
        """Whether everything that `token` names is applied here."""
        return all(w in self.lines and self.lines[w].applied.number >= number for w, number in token.items())


def _weigh(head: Head) -> int:
    return weigh(head.writer + head.number.to_bytes(8, "big") + head.hash)
