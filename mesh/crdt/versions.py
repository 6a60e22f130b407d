"""What a client has seen of a record, and whether it is still so: versions and guards (DESIGN §11).

Invariant: a version names the live changes of what it is the version of, and what is shown of them; it is the same at every peer
that shows the same.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from msgspec import Struct

from mesh.crdt.batch import Kind
from mesh.crdt.cell import Cell, Sibling
from mesh.crdt.clock import seconds_of
from mesh.crdt.token import decode_token
from mesh.crdt.view import StoredRecord, value_of
from mesh.errors import Unmet
from mesh.ids import Dot, RecordId

VERSION_BYTES = 12
ABSENT = "absent"
TOLD_MAX = 10  # Changes that a refusal names: enough to see what happened.

Placed = tuple[str, Sibling]
"""A live change and its field; "" for a bury."""


class Expect(Struct, frozen=True):
    """What has to be so for an operation to be carried out; nothing named, nothing expected.

    `versions`: the record is at one of these. `token`: nothing in the record is newer than it. `fields`: per field the dots of
    exactly its live changes, or its version as a conflict; none: it was never written.
    """

    absent: bool = False
    exists: bool = False
    versions: tuple[str, ...] | None = None
    token: str = ""
    fields: Mapping[str, tuple[str, ...]] = {}


NOTHING = Expect()


def record_version(stored: StoredRecord) -> str:
    """The version of a record: it changes with every change of it, and with what a policy shows of it."""
    shown = [f"{field} {_shown_dot(stored, field)}" for field in stored.conflicts()]
    return _digest([*map(str, sorted(live_dots(stored))), *shown])


def field_version(cell: Cell) -> str:
    """The version of one field: of exactly its live changes."""
    return _digest(str(sibling.dot) for sibling in sorted(cell, key=lambda sibling: sibling.dot))


def live_dots(stored: StoredRecord) -> list[Dot]:
    """Every live change of a record, its buries too."""
    return [sibling.dot for cell in (stored.buries, *stored.cells.values()) for sibling in cell]


def _shown_dot(stored: StoredRecord, field: str) -> Dot | None:
    sibling = stored.showing(field).sibling
    return sibling.dot if sibling is not None else None


def _digest(lines: Iterable[str]) -> str:
    return blake2b("\n".join(lines).encode(), digest_size=VERSION_BYTES).hexdigest()


def check_expected(record: RecordId, stored: StoredRecord | None, expect: Expect) -> None:
    """Raise Unmet where the record is not as expected, with who wrote what is there instead."""
    if expect == NOTHING:
        return
    there = stored is not None and (stored.exists or stored.buried)
    found = record_version(stored) if stored is not None and there else ABSENT
    newest = _newest(stored) if stored is not None and there else []
    if expect.absent and there:
        raise _unmet(record, "", (ABSENT, found), newest)
    if expect.exists and not there:
        raise _unmet(record, "", ("any version", found), newest)
    if expect.versions is not None and found not in expect.versions:
        raise _unmet(record, "", (" or ".join(expect.versions) or "a version", found), newest)
    if expect.token and stored is not None:
        _check_token(record, stored, expect.token)
    for field, wanted in expect.fields.items():
        cell = stored.cells.get(field, ()) if stored is not None else ()
        if sorted(wanted) != sorted(str(s.dot) for s in cell) and wanted != (field_version(cell),):
            is_there = field_version(cell) if cell else ABSENT
            raise _unmet(record, field, (", ".join(wanted) or ABSENT, is_there), [(field, s) for s in cell])


def _check_token(record: RecordId, stored: StoredRecord, token: str) -> None:
    seen = decode_token(token)
    newer = [(f, s) for f, s in _newest(stored) if s.dot.number > seen.get(s.dot.writer, 0)]
    if newer:
        raise _unmet(record, newer[0][0], ("nothing newer than the token", record_version(stored)), newer)


def _newest(stored: StoredRecord) -> list[Placed]:
    """All live changes of a record, the newest first."""
    cells = {"": stored.buries, **stored.cells}
    placed = [(field, sibling) for field, cell in cells.items() for sibling in cell]
    return sorted(placed, key=lambda one: (one[1].stamp, one[1].dot), reverse=True)


def _unmet(record: RecordId, field: str, said: tuple[str, str], there: list[Placed]) -> Unmet:
    expected, found = said
    by = f", last written by {there[0][1].author}" if there else ""
    place = f"{record}: {field}" if field else str(record)
    details: dict[str, object] = {
        "collection": record.collection,
        "key": record.key,
        "field": field,
        "expected": expected,
        "found": found,
        "there": [_told(*one) for one in there[:TOLD_MAX]],
    }
    return Unmet(
        f"{place} is not as expected: expected {expected}, found {found}{by}",
        field=field,
        rule="what was seen is still there",
        todo="read it again, decide again, and send what you saw",
        details=details,
    )


def _told(field: str, sibling: Sibling) -> dict[str, object]:
    return {
        "field": field,
        "kind": sibling.kind.name.lower(),
        "value": value_of(sibling) if sibling.kind is Kind.PUT else None,
        "author": sibling.author,
        "at": seconds_of(sibling.stamp),
        "dot": str(sibling.dot),
    }
