"""Cells that hold a change of another cell: the disk gave back another row than was written, and no check of the row tells.

Who wrote over such a cell would sign a batch that names a change of another cell. It has effect where the cell is wrong in the same
way, and is void everywhere else: two fates of one batch, and an acknowledged write that only its author shows.

Invariant: a cell is called wrong only if the log says so; where the batch of a change can't be read, nothing is said of it.
"""

from collections.abc import Iterable, Iterator

from mesh.crdt.batch import Change, Content, Kind, decode_batch, reread
from mesh.crdt.branches import Tree
from mesh.crdt.cell import decode_cell
from mesh.crdt.expected import readable_batch
from mesh.crdt.keys import cell_key, record_prefix, split_cell_key
from mesh.crdt.lines import LineId
from mesh.crdt.replica import Reader, Table
from mesh.errors import DamagedRow, MalformedMessage
from mesh.ids import Dot


def stray_cells(reader: Reader, tree: Tree, changes: Iterable[Change]) -> list[bytes]:
    """The keys of cells that these changes are about to be written over, and that hold a change of another cell."""
    log = _Log(reader, tree)
    named = ((key, dot) for change in changes for key, dot in _named(reader, change))
    return list(dict.fromkeys(key for key, dot in named if log.is_stray(key, dot)))


def _named(reader: Reader, change: Change) -> Iterator[tuple[bytes, Dot]]:
    """What a change replaces, or hides, and the cell where this replica shows it."""
    if not change.over:
        return
    if change.kind is not Kind.BURY:
        key = cell_key(change.record, change.field)
        yield from ((key, dot) for dot in change.over)
        return
    for key, row in reader.scan(Table.CELLS, record_prefix(change.record)):
        yield from ((key, sibling.dot) for sibling in decode_cell(row))


class _Log:
    """Batches of the log, each read once: changes that are made together are mostly replaced together."""

    def __init__(self, reader: Reader, tree: Tree) -> None:
        self._reader, self._tree = reader, tree
        self._read: dict[tuple[bytes, int, bytes], Content | None] = {}

    def is_stray(self, key: bytes, dot: Dot) -> bool:
        """Whether the log says that `dot` is a change of another cell than `key`, or of none."""
        name = dot.writer, dot.number, dot.mark
        if name not in self._read:
            self._read[name] = self._content(dot)
        content = self._read[name]
        if content is None:
            return False
        if not 0 <= dot.index < len(content.changes):
            return True
        change = content.changes[dot.index]
        return (change.record, change.field) != split_cell_key(key)

    def _content(self, dot: Dot) -> Content | None:
        try:
            row = readable_batch(self._reader, self._line(dot), dot.number)
            return reread(decode_batch(row)) if row is not None else None
        except (DamagedRow, MalformedMessage):
            return None  # The log is what is damaged, which the scrub finds.

    def _line(self, dot: Dot) -> LineId:
        if not self._tree.is_forked(dot.writer):
            return dot.writer
        line = self._tree.find(dot.writer, dot.number, dot.mark)
        return line.id if line is not None else dot.writer
