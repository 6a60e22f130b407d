"""From what an author wants to what a batch says: edits become changes that name what they replace.

Invariant: a change composed here names every live sibling of its cell that this replica shows, so it is causally later than all.
"""

from msgspec import Struct

from mesh.crdt.batch import CONTENT_BYTES_MAX, Change, Kind, encode_value
from mesh.crdt.cell import Cell, decode_cell
from mesh.crdt.fates import value_fault
from mesh.crdt.keys import cell_key, name_fault, record_prefix
from mesh.crdt.replica import Reader, Table
from mesh.errors import Refused, UsageError
from mesh.ids import Dot, RecordId

CHANGES_BYTES_MAX = CONTENT_BYTES_MAX - 8 * 1024  # Leaves room for the heads and for what is said of the batch.


class Put(Struct, frozen=True, tag="put"):
    """Set one field of a record."""

    record: RecordId
    field: str
    value: object


class Clear(Struct, frozen=True, tag="clear"):
    """Take one field away."""

    record: RecordId
    field: str


class Bury(Struct, frozen=True, tag="bury"):
    """Hide a record. Its fields stay, and `Restore` shows them again."""

    record: RecordId


class Restore(Struct, frozen=True, tag="restore"):
    """Take back every bury of a record that is seen here."""

    record: RecordId


class TakeBack(Struct, frozen=True, tag="take_back"):
    """One change as it was planned: over `over`, as long as the live siblings of its cell are still `seen`.

    Those of a bury are all of the record. `value` is msgpack for a put and empty otherwise.
    """

    record: RecordId
    field: str
    kind: Kind
    value: bytes
    over: tuple[Dot, ...]
    seen: tuple[Dot, ...]


class Overtaken(Refused):
    """Somebody else wrote where a change was planned. Nothing was changed."""


Edit = Put | Clear | Bury | Restore | TakeBack


def changes_of(reader: Reader, edits: tuple[Edit, ...]) -> tuple[Change, ...]:
    """The changes that carry out `edits` on the state that `reader` sees.

    Raises UsageError for what would make a void batch: names out of bounds, no value, two edits of one cell.
    """
    changes = tuple(_change_of(reader, edit) for edit in edits)
    seen: set[tuple[RecordId, str]] = set()
    for change in changes:
        if (cell := (change.record, change.field)) in seen:
            raise UsageError(
                f"{change.record}: {change.field or 'the record itself'} is changed twice in one write",
                field=change.field or "key",
                rule="one write changes a field at most once",
                todo="keep the last of the two, or make two writes",
            )
        seen.add(cell)
    return changes


def check_size(changes: tuple[Change, ...], about: dict[str, str], author: str) -> None:
    """Raise UsageError where these changes do not fit a batch."""
    size = len(encode_value((changes, about, author)))
    if size > CHANGES_BYTES_MAX:
        raise UsageError(
            f"one write of at most {CHANGES_BYTES_MAX} bytes was expected, this one has {size}",
            rule="one batch is shown whole or not at all",
            todo="split the write, or keep large values outside the ledger",
        )


def _change_of(reader: Reader, edit: Edit) -> Change:
    field = edit.field if isinstance(edit, Put | Clear | TakeBack) else ""
    if fault := name_fault(edit.record, field):
        raise UsageError(f"{edit.record}: {fault}", field=field or "key", rule=fault)
    match edit:
        case Put():
            over = _dots(_cell(reader, edit.record, field))
            return Change(edit.record, field, Kind.PUT, _encoded(edit), over)
        case Clear():
            return Change(edit.record, field, Kind.CLEAR, b"", _dots(_cell(reader, edit.record, field)))
        case Bury():
            return Change(edit.record, "", Kind.BURY, b"", _record_dots(reader, edit.record))
        case Restore():
            return Change(edit.record, "", Kind.RESTORE, b"", _dots(_cell(reader, edit.record, "")))
        case TakeBack():
            return _taken_back(reader, edit)


def _taken_back(reader: Reader, edit: TakeBack) -> Change:
    of_record = edit.kind is Kind.BURY
    live = _record_dots(reader, edit.record) if of_record else _dots(_cell(reader, edit.record, edit.field))
    if live != edit.seen:
        raise Overtaken(
            f"{edit.record}: {edit.field or 'the record itself'} was changed while this was planned",
            field=edit.field or "key",
            rule="a planned change replaces only what it was planned over",
            todo="plan it again",
        )
    return Change(edit.record, edit.field, edit.kind, edit.value, edit.over)


def _encoded(edit: Put) -> bytes:
    try:
        value = encode_value(edit.value)
        fault = value_fault(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        value, fault = b"", str(error)
    if fault:
        raise UsageError(
            f"{edit.record}: {edit.field} has a value that cannot be kept: {fault}",
            field=edit.field,
            rule="a JSON value, whose whole numbers fit 64 bits",
            todo="write a large number as text",
        )
    return value


def _cell(reader: Reader, record: RecordId, field: str) -> Cell:
    return decode_cell(reader.get(Table.CELLS, cell_key(record, field)))


def _dots(cell: Cell) -> tuple[Dot, ...]:
    return tuple(sorted(sibling.dot for sibling in cell))


def _record_dots(reader: Reader, record: RecordId) -> tuple[Dot, ...]:
    rows = reader.scan(Table.CELLS, record_prefix(record))
    return tuple(sorted(sibling.dot for _, row in rows for sibling in decode_cell(row)))
