"""Two replicas row by row: what one has and the other does not, in words for people.

Invariant: rows are compared as bytes, and described as far as their bytes can still be read.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from mesh.crdt.batch import Kind
from mesh.crdt.cell import Sibling, decode_cell
from mesh.crdt.keys import number_of, split_cell_key
from mesh.crdt.lines import decode_line
from mesh.crdt.replica import Reader, Table
from mesh.crdt.view import value_of
from mesh.ids import short

DERIVED = (Table.CELLS, Table.BUCKETS, Table.CONTEXT, Table.FORKS, Table.FATES)  # What follows from BATCHES alone.
TEXT_CHARACTERS_MAX = 200
NOTHING = "nothing"

_UNREADABLE = (msgspec.MsgspecError, ValueError, IndexError)


class Difference(Struct, frozen=True):
    """One row that is not what it should be: which, what was expected there, and what is there."""

    table: Table
    place: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.table}: {self.place}: expected {self.expected}; found {self.found}"


def compare(table: Table, wanted: Reader, stored: Reader) -> Iterator[Difference]:
    """Every row of `table` that differs, in order of the keys."""
    left, right = _rows(table, wanted), _rows(table, stored)
    expected, found = next(left, None), next(right, None)
    while expected is not None or found is not None:
        if found is None or (expected is not None and expected[0] < found[0]):
            assert expected is not None
            yield _difference(table, expected[0], expected[1], None)
            expected = next(left, None)
        elif expected is None or found[0] < expected[0]:
            yield _difference(table, found[0], None, found[1])
            found = next(right, None)
        else:
            if expected[1] != found[1]:
                yield _difference(table, *expected, found[1])
            expected, found = next(left, None), next(right, None)


def _rows(table: Table, reader: Reader) -> Iterator[tuple[bytes, bytes]]:
    """The rows of a table; a bucket that came back to nothing counts as none."""
    return (row for row in reader.scan(table) if table is not Table.BUCKETS or any(row[1]))


def _difference(table: Table, key: bytes, expected: bytes | None, found: bytes | None) -> Difference:
    wanted, there = _row_text(table, expected), _row_text(table, found)
    if wanted == there:
        wanted, there = f"{wanted} as {(expected or b'').hex()}", f"{there} as {(found or b'').hex()}"
    return Difference(table, place_of(table, key), wanted, there)


def place_of(table: Table, key: bytes) -> str:
    """Where a row stands, in words: the record and field of a cell, the writer and number of a batch."""
    try:
        match table:
            case Table.CELLS:
                record, field = split_cell_key(key)
                return f"{record} field {field}" if field else f"{record} (buries)"
            case Table.CONTEXT:
                return f"writer {key.hex()}"
            case Table.FORKS:
                return f"branch {key[16:].hex()} of writer {key[:16].hex()}"
            case Table.BATCHES | Table.FATES:
                return f"batch {number_of(key)} of writer {key[:16].hex()}"
            case Table.BUCKETS:
                return f"bucket {key[0]} of the fingerprint"
            case _:
                return f"key {key.hex()}"
    except _UNREADABLE:
        return f"key {key.hex()}"


def _row_text(table: Table, row: bytes | None) -> str:
    if row is None:
        return NOTHING
    try:
        text = _readable(table, row)
    except _UNREADABLE:
        text = f"{len(row)} bytes that cannot be read ({row[:16].hex()}…)"
    return text if len(text) <= TEXT_CHARACTERS_MAX else text[: TEXT_CHARACTERS_MAX - 1] + "…"


def _readable(table: Table, row: bytes) -> str:
    match table:
        case Table.CELLS:
            return " | ".join(map(_sibling_text, decode_cell(row)))
        case Table.CONTEXT | Table.FORKS:
            line = decode_line(row)
            return f"{line.have.number} batches, {line.applied.number} applied, head {short(line.have.hash)}"
        case Table.FATES:
            return row.decode()
        case _:
            return row.hex()


def _sibling_text(sibling: Sibling) -> str:
    value = repr(value_of(sibling)) if sibling.kind is Kind.PUT else sibling.kind.name.lower()
    return f"{value} by {sibling.author}, batch {sibling.dot.number} of writer {short(sibling.dot.writer)}"
