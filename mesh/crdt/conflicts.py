"""What people have to look at: values that disagree, and edits that a bury did not see (DESIGN §5).

Invariant: equal concurrent values are no conflict; an edit is late exactly as long as a live bury hides it without naming it.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from mesh.crdt.cell import Cell, Sibling
from mesh.crdt.showing import Showing
from mesh.crdt.view import FieldPath, StoredRecord
from mesh.ids import RecordId


class LateEdit(Struct, frozen=True):
    """An edit of a record by somebody who did not know that it was being buried."""

    field: FieldPath
    sibling: Sibling


class Unsettled(Struct, frozen=True):
    """A record with something to settle. `cells` are the fields in conflict, `shown` what their policies
    show of them; `late` the edits made while it was being buried.
    """

    record: RecordId
    buries: Cell
    cells: Mapping[FieldPath, Cell]
    late: tuple[LateEdit, ...]
    shown: Mapping[FieldPath, Showing]


def unsettled(stored: StoredRecord) -> Unsettled | None:
    """What is to be settled in a record, or None."""
    cells = {field: stored.cells[field] for field in stored.conflicts()}
    late = tuple(late_edits(stored))
    shown = {field: stored.showing(field) for field in cells}
    return Unsettled(stored.record, stored.buries, cells, late, shown) if cells or late else None


def scan_unsettled(records: Iterable[StoredRecord]) -> Iterator[Unsettled]:
    """The records among `records` in which something is to be settled, in their order."""
    return (found for stored in records if (found := unsettled(stored)) is not None)


def late_edits(stored: StoredRecord) -> Iterator[LateEdit]:
    """The live siblings of a buried record that none of its live buries was made over."""
    if not stored.buried:
        return
    seen = {dot for bury in stored.buries for dot in bury.over}
    for field, cell in stored.cells.items():
        yield from (LateEdit(field, sibling) for sibling in cell if sibling.dot not in seen)
