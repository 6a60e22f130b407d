"""What an applied batch does to the cells.

Invariant: a cell's live siblings are the applied changes of that cell that no applied change names in `over` and that their own
writer has not changed again; so the view is a pure function of the set of applied batches.
"""

from collections.abc import Callable

from mesh.crdt.batch import Change, Kind, OpenBatch
from mesh.crdt.cell import Cell, Sibling, decode_cell, encode_cell, ranked
from mesh.crdt.fingerprint import bucket_of, shift, weigh
from mesh.crdt.keys import cell_key
from mesh.crdt.replica import Reader, Table, Write
from mesh.ids import MeshId


def apply_batch(reader: Reader, put: Callable[[Write], None], mesh: MeshId, opened: OpenBatch) -> None:
    """Turn the changes of a batch into writes of cells and buckets. `reader` must see each write as soon as it is put."""
    for index, change in enumerate(opened.content.changes):
        key = cell_key(change.record, change.field)
        before = decode_cell(reader.get(Table.CELLS, key))
        after = _change_cell(before, change, opened, index)
        put(Write(Table.CELLS, key, encode_cell(after) if after else None))
        _move_fingerprint(reader, put, mesh, key, (before, after))


def _change_cell(before: Cell, change: Change, opened: OpenBatch, index: int) -> Cell:
    writer = opened.content.writer
    replaced = set(change.over) if change.kind is not Kind.BURY else set()
    kept = [s for s in before if s.dot not in replaced and s.dot.writer != writer]
    if change.kind is not Kind.RESTORE:
        over = change.over if change.kind is Kind.BURY else ()
        dot, content = opened.dot(index), opened.content
        kept.append(Sibling(dot, content.stamp, content.author, change.kind, change.value, over))
    return ranked(kept)


def _move_fingerprint(
    reader: Reader, put: Callable[[Write], None], mesh: MeshId, key: bytes, cells: tuple[Cell, Cell]
) -> None:
    before, after = cells
    gone = sum(weigh(mesh, key, sibling) for sibling in before if sibling not in after)
    come = sum(weigh(mesh, key, sibling) for sibling in after if sibling not in before)
    bucket = bytes([bucket_of(key)])
    put(Write(Table.BUCKETS, bucket, shift(reader.get(Table.BUCKETS, bucket), come - gone)))
