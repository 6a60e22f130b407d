"""What rows of a damaged disk have to be, as far as the rest of the replica says so.

Invariant: nothing is guessed: a batch is named by the hash in its successor or in the context, a fate follows from applied batches.
"""

from mesh.crdt.batch import decode_batch, hash_content, open_batch, reread
from mesh.crdt.fates import Void, judge
from mesh.crdt.keys import batch_key
from mesh.crdt.lines import Line, Lines
from mesh.crdt.replica import Reader, Table
from mesh.errors import DamagedRow, MalformedMessage
from mesh.ids import NO_BATCH, BatchHash, Head, MeshId, WriterId


def expected_hash(reader: Reader, lines: Lines, writer: WriterId, number: int) -> BatchHash | None:
    """The hash of a batch of the log; None where nothing that can be read names it."""
    line = lines.get(writer)
    if line is None:
        return None
    for head in (line.have, line.applied):
        if head.number == number:
            return head.hash
    following = readable_batch(reader, writer, number + 1)
    if following is None:
        return None
    try:
        return reread(decode_batch(following)).previous
    except MalformedMessage:
        return None


def readable_batch(reader: Reader, writer: WriterId, number: int) -> bytes | None:
    """A row of the log; None where it is missing or damaged."""
    try:
        return reader.get(Table.BATCHES, batch_key(writer, number))
    except DamagedRow:
        return None


def is_held_well(reader: Reader, writer: WriterId, number: int, expected: BatchHash) -> bool:
    """Whether exactly this batch can be read here."""
    row = readable_batch(reader, writer, number)
    if row is None:
        return False
    try:
        return hash_content(decode_batch(row).content) == expected
    except MalformedMessage:
        return False


def expected_fate(reader: Reader, lines: Lines, mesh: MeshId, writer: WriterId, number: int) -> bytes | None:
    """The row in FATES of an applied batch; None where it has effect, is held or is not here.

    Raises DamagedRow or MalformedMessage where a batch that has to be read for it can't be.
    """
    line = lines.get(writer)
    row = reader.get(Table.BATCHES, batch_key(writer, number))
    if line is None or row is None or number > line.applied.number:
        return None
    before = Line(line.have, Head(writer, number - 1, NO_BATCH), _stamp_before(reader, writer, number), line.key)
    verdict = judge(reader, {**lines, writer: before}, mesh, open_batch(decode_batch(row), mesh))
    return f"void: {verdict.reason}".encode() if isinstance(verdict, Void) else None


def _stamp_before(reader: Reader, writer: WriterId, number: int) -> int:
    """The highest stamp of the batches before `number`: a batch with effect is above all that came before it."""
    stamp = 0
    while number > 1:
        number -= 1
        row = reader.get(Table.BATCHES, batch_key(writer, number))
        if row is None:
            return stamp
        stamp = max(stamp, reread(decode_batch(row)).stamp)
        if reader.get(Table.FATES, batch_key(writer, number)) is None:
            return stamp
    return stamp
