"""What rows of a damaged disk have to be, as far as the rest of the replica says so.

Invariant: nothing is guessed: a batch is named by the hash in its successor or in the context, a fate follows from applied batches.
"""

from mesh.crdt.batch import decode_batch, hash_content, open_batch, reread
from mesh.crdt.branches import Tree
from mesh.crdt.fates import Void, judge
from mesh.crdt.keys import batch_key
from mesh.crdt.lines import Context, Line, LineId, Lines
from mesh.crdt.replica import Reader, Table
from mesh.errors import DamagedRow, MalformedMessage
from mesh.ids import BatchHash, Head, MeshId


def expected_hash(reader: Reader, lines: Lines, name: LineId, number: int) -> BatchHash | None:
    """The hash of a batch of the log, in line `name`; None where nothing that can be read names it."""
    line = lines.get(name)
    if line is None:
        return None
    for head in (line.have, line.applied):
        if head.number == number:
            return head.hash
    following = readable_batch(reader, name, number + 1)
    if following is None:
        return None
    try:
        return reread(decode_batch(following)).previous
    except MalformedMessage:
        return None


def readable_batch(reader: Reader, name: LineId, number: int) -> bytes | None:
    """A row of the log; None where it is missing or damaged."""
    try:
        return reader.get(Table.BATCHES, batch_key(name, number))
    except DamagedRow:
        return None


def is_held_well(reader: Reader, name: LineId, number: int, expected: BatchHash) -> bool:
    """Whether exactly this batch can be read here, in line `name`."""
    row = readable_batch(reader, name, number)
    if row is None:
        return False
    try:
        return hash_content(decode_batch(row).content) == expected
    except MalformedMessage:
        return False


def held_well(reader: Reader, context: Context, head: Head) -> bytes | None:
    """The row of exactly this batch, whichever line of its writer holds it here; None where it can't be read."""
    for line in context.family(head.writer):
        if line.first <= head.number <= line.have.number and is_held_well(reader, line.id, head.number, head.hash):
            return readable_batch(reader, line.id, head.number)
    return None


def expected_fate(reader: Reader, lines: Lines, mesh: MeshId, name: LineId, number: int) -> bytes | None:
    """The row in FATES of an applied batch in line `name`; None where it has effect, is held or is not here.

    Raises DamagedRow or MalformedMessage where a batch that has to be read for it can't be.
    """
    line = lines.get(name)
    row = reader.get(Table.BATCHES, batch_key(name, number))
    if line is None or row is None or number > line.applied.number:
        return None
    opened = open_batch(decode_batch(row), mesh)
    # The highest stamp of the batches before it: a batch with effect is above all that came before it.
    stamp = Tree(reader, Context(lines)).newest_stamp(line, number - 1)
    applied = Head(line.have.writer, number - 1, opened.content.previous)
    before = Line(line.have, applied, stamp, line.key, line.branch)
    tree = Tree(reader, Context({**lines, name: before}))
    verdict = judge(reader, tree, mesh, opened, before)
    return f"void: {verdict.reason}".encode() if isinstance(verdict, Void) else None
