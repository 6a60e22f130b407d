"""What a replica shows: records with their conflicts, and how far it is (DESIGN §5).

Invariant: everything here is read from one reader, so a record and the token beside it belong together.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec
from msgspec import Struct

from mesh.crdt.batch import Kind, OpenBatch
from mesh.crdt.cell import Cell, Sibling, decode_cell, is_conflict
from mesh.crdt.keys import cell_key, collection_prefix, record_prefix, split_cell_key
from mesh.crdt.replica import Reader, Table
from mesh.crdt.showing import Policies, PolicyReader, Showing, is_buried, show
from mesh.ids import RecordId
from mesh.model.policy import COLLECTION

FieldPath = str


class StoredRecord(Struct, frozen=True):
    """One record as its cells: field -> live siblings. `buries` are the live buries; `policies` choose what is shown."""

    record: RecordId
    cells: Mapping[FieldPath, Cell]
    buries: Cell
    policies: Policies = Policies()

    @property
    def buried(self) -> bool:
        """Whether a bury of the record is live."""
        return bool(self.buries)

    @property
    def exists(self) -> bool:
        """Whether any field shows or withholds a value, and nobody has buried it."""
        return not self.buried and any(map(self._has_value, self.cells))

    def _has_value(self, field: FieldPath) -> bool:
        if len(self.cells[field]) == 1:
            return self.cells[field][0].kind is Kind.PUT
        showing = self.showing(field)
        held_back = showing.withheld and any(s.kind is Kind.PUT for s in self.cells[field])
        return held_back or (showing.sibling is not None and showing.sibling.kind is Kind.PUT)

    def showing(self, field: FieldPath) -> Showing:
        """What is shown of a field, and by which policy."""
        return show(self.policies, self.record, self.cells, field)

    def fields(self) -> dict[FieldPath, object]:
        """The shown value of each field that has one."""
        siblings = {f: cell[0] if len(cell) == 1 else self.showing(f).sibling for f, cell in self.cells.items()}
        return {field: value_of(s) for field, s in siblings.items() if s is not None and s.kind is Kind.PUT}

    def conflicts(self) -> list[FieldPath]:
        """Fields whose concurrent values differ."""
        return [field for field, cell in self.cells.items() if is_conflict(cell)]

    def newest(self) -> Sibling:
        """The sibling with the highest stamp: who changed the record last."""
        rows = [cell[-1] for cell in (*self.cells.values(), self.buries) if cell]
        return max(rows, key=lambda sibling: (sibling.stamp, sibling.dot))


def changes_policies(batches: Iterable[OpenBatch]) -> bool:
    """Whether records may be shown differently after `batches` though no change of them came."""
    return any(change.record.collection == COLLECTION for opened in batches for change in opened.content.changes)


def value_of(sibling: Sibling) -> object:
    """The value that a PUT sibling holds."""
    return msgspec.msgpack.decode(sibling.value)


def read_record(reader: Reader, record: RecordId) -> StoredRecord | None:
    """One record, buried or not; None where no cell of it was ever written."""
    cells = {}
    for key, row in reader.scan(Table.CELLS, record_prefix(record)):
        cells[split_cell_key(key)[1]] = decode_cell(row)
    return _record_of(PolicyReader(reader), record, cells) if cells else None


def scan_records(reader: Reader, collection: str, key_prefix: str = "", after: str = "") -> Iterator[StoredRecord]:
    """The records of a collection in order of their keys, starting behind the key `after`."""
    start = record_prefix(RecordId(collection, after)) + b"\xff" if after else b""  # No field starts with 0xff: UTF-8.
    policies = PolicyReader(reader)
    current: RecordId | None = None
    cells: dict[FieldPath, Cell] = {}
    for key, row in reader.scan(Table.CELLS, collection_prefix(collection, key_prefix), start):
        record, field = split_cell_key(key)
        if record != current:
            if current is not None:
                yield _record_of(policies, current, cells)
            current, cells = record, {}
        cells[field] = decode_cell(row)
    if current is not None:
        yield _record_of(policies, current, cells)


def next_collection(reader: Reader, after: str = "") -> str | None:
    """The first collection behind the name `after` that holds a cell; None at the end."""
    start = collection_prefix(after) + b"\xff" if after else b""  # No key starts with 0xff: UTF-8.
    for key, _ in reader.scan(Table.CELLS, b"", start):
        return split_cell_key(key)[0].collection
    return None


def _record_of(policies: PolicyReader, record: RecordId, cells: dict[FieldPath, Cell]) -> StoredRecord:
    buries = cells.pop("", ())
    return StoredRecord(record, cells, buries, policies.policies_for(cells))


def read_value(reader: Reader, record: RecordId, field: FieldPath) -> object:
    """The shown value of one field; None where it has none, or the record is buried. Cheaper than the whole record."""
    cell = decode_cell(reader.get(Table.CELLS, cell_key(record, field)))
    if not cell or is_buried(reader, record):
        return None
    if is_conflict(cell):
        stored = read_record(reader, record)
        return stored.fields().get(field) if stored is not None else None
    return value_of(cell[-1]) if cell[-1].kind is Kind.PUT else None
