"""What an applied batch does to the cells.

Invariant: a cell's live siblings are the applied changes of that cell that no applied change names in `over` and that their own
writer has not changed again later on the same branch; so the view is a pure function of the set of applied batches.
"""

from collections.abc import Callable

from msgspec import Struct

from mesh.crdt.batch import Change, Kind, OpenBatch
from mesh.crdt.cell import Cell, Sibling, decode_cell, encode_alone, encode_cell, ranked
from mesh.crdt.fates import Applied
from mesh.crdt.fingerprint import salted, weigh
from mesh.crdt.replica import Rows
from mesh.ids import Dot, MeshId

Precedes = Callable[[Dot], bool]
"""Whether an earlier change of the same writer lies on the chain of the batch that is applied. None: the writer did not fork."""

FRESH = (Kind.PUT, Kind.CLEAR)  # On an empty cell they leave just themselves, whatever they name in `over`.


class Outcome(Struct, frozen=True):
    """The cells that a batch leaves behind, and by how much each of them, in their order, moves its bucket of the fingerprint."""

    cells: Rows
    weights: list[int]


def apply_batch(mesh: MeshId, opened: OpenBatch, applied: Applied, precedes: Precedes | None = None) -> Outcome:
    """Carry out the changes of a batch on the cells that its verdict was made on."""
    content, before = opened.content, applied.rows
    writer, number, mark, stamp, author = content.writer, content.number, opened.hash[:8], content.stamp, content.author
    unseen, as_number = salted(mesh).copy, int.from_bytes
    cells: Rows = {}
    weights: list[int] = []
    for index, key in enumerate(applied.keys):
        change = content.changes[index]
        if key not in before and change.kind in FRESH:
            # As in every bulk load, so without a detour: `encode_cell` and `weigh`, spelled out.
            cells[key] = row = encode_alone(
                (((writer, number, index, mark), stamp, author, change.kind, change.value, ()),)
            )
            hashed = unseen()
            hashed.update(row)
            hashed.update(key)
            weights.append(as_number(hashed.digest(), "big"))
        else:
            before_it = decode_cell(before.get(key))
            after = change_cell(before_it, change, sibling_of(opened, index), precedes)
            cells[key] = encode_cell(after) if after else None
            weights.append(weight_of_change(mesh, key, before_it, after))
    return Outcome(cells, weights)


def sibling_of(opened: OpenBatch, index: int) -> Sibling:
    """Change `index` of a batch as a sibling of its cell."""
    change, content = opened.content.changes[index], opened.content
    over = change.over if change.kind is Kind.BURY else ()
    return Sibling(opened.dot(index), content.stamp, content.author, change.kind, change.value, over)


def change_cell(before: Cell, change: Change, made: Sibling, precedes: Precedes | None = None) -> Cell:
    """The cell after a change, which is `made` as a sibling. Whatever it replaces has to be in `before` already, or gone."""
    replaced = set(change.over) if change.kind is not Kind.BURY else set()
    kept = [s for s in before if s.dot not in replaced and s.dot.writer != made.dot.writer]
    if precedes is not None:
        kept += [s for s in before if s.dot not in replaced and s.dot.writer == made.dot.writer and not precedes(s.dot)]
    if change.kind is not Kind.RESTORE:
        kept.append(made)
    return ranked(kept)


def weight_of_change(mesh: MeshId, key: bytes, before: Cell, after: Cell) -> int:
    """By how much a cell moves its bucket of the fingerprint."""
    come = [weigh(mesh, key, encode_cell((sibling,))) for sibling in after if sibling not in before]
    gone = [weigh(mesh, key, encode_cell((sibling,))) for sibling in before if sibling not in after]
    return sum(come) - sum(gone)
