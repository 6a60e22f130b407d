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
        after = change_cell(before, change, sibling_of(opened, index))
        put(Write(Table.CELLS, key, encode_cell(after) if after else None))
        shifts.append((bucket_of(key), _weight_of_change(mesh, key, before, after)))
    return shifts


def sibling_of(opened: OpenBatch, index: int) -> Sibling:
    """Change `index` of a batch as a sibling of its cell."""
    change, content = opened.content.changes[index], opened.content
    over = change.over if change.kind is Kind.BURY else ()
    return Sibling(opened.dot(index), content.stamp, content.author, change.kind, change.value, over)


def change_cell(before: Cell, change: Change, made: Sibling) -> Cell:
    """The cell after a change, which is `made` as a sibling. Whatever it replaces has to be in `before` already, or gone."""
    replaced = set(change.over) if change.kind is not Kind.BURY else set()
    kept = [s for s in before if s.dot not in replaced and s.dot.writer != made.dot.writer]
    if change.kind is not Kind.RESTORE:
        kept.append(made)
    return ranked(kept)


def _weight_of_change(mesh: MeshId, key: bytes, before: Cell, after: Cell) -> int:
    come = [weigh(mesh, key, sibling) for sibling in after if sibling not in before]
    gone = [weigh(mesh, key, sibling) for sibling in before if sibling not in after]
    return sum(come) - sum(gone)
