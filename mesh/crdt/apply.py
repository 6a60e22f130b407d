"""What an applied batch does to the cells.

Invariant: a cell's live siblings are the applied changes of that cell that no applied change names in `over` and that their own
writer has not changed again; so the view is a pure function of the set of applied batches.
"""

from collections.abc import Callable

from mesh.crdt.batch import Change, Kind, OpenBatch
from mesh.crdt.cell import Cell, Sibling, decode_cell, encode_cell, ranked
from mesh.crdt.fingerprint import bucket_of, weigh
from mesh.crdt.keys import cell_key
from mesh.crdt.replica import Reader, Table, Write
from mesh.ids import MeshId


def apply_batch(reader: Reader, put: Callable[[Write], None], mesh: MeshId, opened: OpenBatch) -> list[tuple[int, int]]:
    """Turn the changes of a batch into writes of cells. `reader` must see each write as soon as it is put.

    Returns by how much each change moves which bucket of the fingerprint.
    """
    shifts: list[tuple[int, int]] = []
    for index, change in enumerate(opened.content.changes):
        key = cell_key(change.record, change.field)
        before = decode_cell(reader.get(Table.CELLS, key))
        after = _change_cell(before, change, opened, index)
        put(Write(Table.CELLS, key, encode_cell(after) if after else None))
        shifts.append((bucket_of(key), _weight_of_change(mesh, key, before, after)))
    return shifts


def _change_cell(before: Cell, change: Change, opened: OpenBatch, index: int) -> Cell:
    writer = opened.content.writer
    replaced = set(change.over) if change.kind is not Kind.BURY else set()
    kept = [s for s in before if s.dot not in replaced and s.dot.writer != writer]
    if change.kind is not Kind.RESTORE:
        over = change.over if change.kind is Kind.BURY else ()
        dot, content = opened.dot(index), opened.content
        kept.append(Sibling(dot, content.stamp, content.author, change.kind, change.value, over))
    return ranked(kept)


def _weight_of_change(mesh: MeshId, key: bytes, before: Cell, after: Cell) -> int:
    come = [weigh(mesh, key, sibling) for sibling in after if sibling not in before]
    gone = [weigh(mesh, key, sibling) for sibling in before if sibling not in after]
    return sum(come) - sum(gone)
