"""What the cells of a replica must be, worked out from its log by the simplest code that could be right.

Invariant: nothing of `mesh.crdt.apply` or `mesh.crdt.fold` is used, so that a mistake there is not made here a second time.
"""

from collections.abc import Iterator

from mesh.crdt.batch import Kind, OpenBatch, decode_batch, open_batch
from mesh.crdt.cell import decode_cell
from mesh.crdt.keys import cell_key, number_of, split_cell_key
from mesh.crdt.lines import has_forks, read_lines
from mesh.crdt.replica import MemoryReplica, Table
from mesh.ids import Dot, MeshId, WriterId


def misfolded(replica: MemoryReplica, mesh: MeshId) -> list[str]:
    """How the cells differ from the log: what came back, and what is gone without having been replaced. Empty: they agree.

    A replica whose log holds a fork is not judged: which branch a change is on is more than this code knows.
    """
    with replica.read() as reader:
        if has_forks(reader):
            return []
    expected = live_by_log(replica, mesh)
    found = {key: {sibling.dot for sibling in decode_cell(row)} for key, row in replica.scan(Table.CELLS)}
    said = []
    for key in sorted(expected.keys() | found.keys()):
        must, has = expected.get(key, set()), found.get(key, set())
        said += [f"{_place(key)} shows {dot}, which its log replaces or does not hold" for dot in sorted(has - must)]
        said += [f"{_place(key)} lacks {dot}, which nothing in its log replaces" for dot in sorted(must - has)]
    return said


def live_by_log(replica: MemoryReplica, mesh: MeshId) -> dict[bytes, set[Dot]]:
    """Per cell the changes that no applied change names and that their own writer has not changed again."""
    made: dict[bytes, list[Dot]] = {}
    newest: dict[tuple[bytes, WriterId], int] = {}
    replaced: set[tuple[bytes, Dot]] = set()
    for opened in _applied(replica, mesh):
        for index, change in enumerate(opened.content.changes):
            key, dot = cell_key(change.record, change.field), opened.dot(index)
            newest[key, dot.writer] = max(newest.get((key, dot.writer), 0), dot.number)
            if change.kind is not Kind.BURY:
                replaced.update((key, over) for over in change.over)
            if change.kind is not Kind.RESTORE:
                made.setdefault(key, []).append(dot)
    live = {
        key: {dot for dot in dots if (key, dot) not in replaced and dot.number == newest[key, dot.writer]}
        for key, dots in made.items()
    }
    return {key: dots for key, dots in live.items() if dots}


def _applied(replica: MemoryReplica, mesh: MeshId) -> Iterator[OpenBatch]:
    """Every applied batch that is not void."""
    with replica.read() as reader:
        lines = read_lines(reader)
    for key, row in replica.scan(Table.BATCHES):
        line = lines.get(WriterId(key[:16]))
        applied = line is not None and number_of(key) <= line.applied.number
        if applied and replica.get(Table.FATES, key) is None:
            yield open_batch(decode_batch(row), mesh)


def _place(key: bytes) -> str:
    record, field = split_cell_key(key)
    return f"{record.collection}/{record.key} field '{field}'"
