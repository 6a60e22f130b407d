"""Records out of the ledger, as clients see them: one, or a page.

Invariant: no reader is open across an `await`, none is open for longer than about SLICE_S, and a token is never newer than what
it stands beside.
"""

import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from mesh.api.faults import Behind, Buried
from mesh.api.shapes import (
    Change,
    Conflict,
    GetRecord,
    ListRecords,
    Reading,
    RecordAnswer,
    RecordPage,
    RecordRow,
    SiblingValue,
)
from mesh.crdt.batch import Kind
from mesh.crdt.cell import Cell, Sibling
from mesh.crdt.clock import seconds_of
from mesh.crdt.lines import read_context
from mesh.crdt.replica import Reader
from mesh.crdt.showing import Showing
from mesh.crdt.token import encode_token
from mesh.crdt.versions import field_version, record_version
from mesh.crdt.view import StoredRecord, read_record, scan_records, value_of
from mesh.errors import NotFound
from mesh.ids import RecordId, WriterId
from mesh.model.fields import unflatten
from mesh.model.naming import check_collection, check_key
from mesh.runtime.node import Node

SLICE_S = 0.0015  # DESIGN §3: queries run on the loop in slices of at most 2 ms; what was read is still to be told.
PAGE_BYTES_MAX = 256 * 1024  # Of values in one page: what is written as JSON, and sent, within a slice.
SCANNED_MAX = 20_000  # Records that one call looks at; then it answers with what it found and where to go on.

Position = dict[WriterId, int]
T = TypeVar("T")


Look = Callable[[StoredRecord], T]


class Slice(Struct, Generic[T], frozen=True):
    """What was seen of records of one committed state, which is at `position` or newer."""

    seen: list[T]
    position: Position


def position_of(reader: Reader) -> Position:
    """What is applied of every writer in the state that `reader` sees."""
    return read_context(reader).token()


async def catch_up(node: Node, params: Reading) -> None:
    """Wait until this peer has what `after` names. Raises Behind, and UsageError for what is no token."""
    if params.after and not await node.wait_until_covered(params.after, params.timeout_s):
        raise Behind(f"{node.name} has not yet applied everything that the token names, after {params.timeout_s:g} s")


async def get_record(node: Node, params: GetRecord) -> RecordAnswer:
    """One record. Raises NotFound, Buried, Behind, UsageError."""
    check_key(params.collection, params.key)
    await catch_up(node, params)
    record = RecordId(params.collection, params.key)
    with node.read() as reader:
        stored, token = read_record(reader, record), encode_token(position_of(reader))
    if stored is not None and stored.buried:
        raise _buried(stored)
    if stored is None or not stored.exists:
        raise NotFound(
            f"there is no {record.collection} {record.key!r} at {node.name}", field="key", todo="list the collection"
        )
    row = row_of(stored)
    return RecordAnswer(row.collection, row.key, row.value, row.conflicts, row.changed, row.version, token)


async def list_records(node: Node, params: ListRecords) -> RecordPage:
    """A page of records, by key. Raises Behind, UsageError."""
    check_collection(params.collection)
    await catch_up(node, params)
    page = _Page(params)
    token, read = "", 0
    async with aclosing(slices(node, page.take, params.collection, params.prefix, params.after_key)) as parts:
        async for part in parts:
            token = token or encode_token(part.position)
            read += 1
            if page.full:
                break
    return RecordPage(page.items, page.last if page.full else None, token, one_state=read == 1)


class _Page:
    """A page that is being filled."""

    def __init__(self, params: ListRecords) -> None:
        self._filter, self._limit = Filter(params), params.limit
        self._looked = self._bytes = 0
        self.items: list[RecordRow] = []
        self.last = ""

    @property
    def full(self) -> bool:
        """Whether the page ends here, though the collection may go on."""
        return len(self.items) >= self._limit or self._looked >= SCANNED_MAX or self._bytes >= PAGE_BYTES_MAX

    def take(self, stored: StoredRecord) -> bool:
        """Take a record if it is asked for. False: the page is full, and `last` is where the next one goes on."""
        self._looked += 1
        self.last = stored.record.key
        if row := self._filter.row(stored):
            self.items.append(row)
            self._bytes += sum(len(sibling.value) for cell in stored.cells.values() for sibling in cell)
        return not self.full


async def slices(
    node: Node, look: Look[T], collection: str, prefix: str = "", after_key: str = ""
) -> AsyncGenerator[Slice[T], None]:
    """What `look` sees of all records of a collection, buried ones too, in slices; at least one. `look` is part of a slice.

    Other tasks run between two slices, and of all that read like this one at a time has its slice in a turn of the loop. Each
    carries the position of the first: every one of them is at least as new. Where `look` says False, its slice is the last.
    """
    position: Position | None = None
    following: str | None = after_key
    while following is not None:
        async with node.reading_turn:
            with node.read() as reader:
                position = position_of(reader) if position is None else position
                seen, following = _look_for_a_while(scan_records(reader, collection, prefix, following), look)
        yield Slice(seen, position)


def _look_for_a_while(records: Iterator[StoredRecord], look: Look[T]) -> tuple[list[T], str | None]:
    """What was seen, and behind which key to go on; None at the end."""
    end = time.perf_counter() + SLICE_S
    seen: list[T] = []
    for stored in records:
        seen.append(look(stored))
        if seen[-1] is False:
            return seen, None
        if time.perf_counter() > end:
            return seen, stored.record.key
    return seen, None


class Filter:
    """What a list asks for: labels, text, and whether it is about buried records."""

    def __init__(self, params: ListRecords) -> None:
        self._labels = params.labels
        self._text = params.text.casefold()
        self._buried = params.buried

    def row(self, stored: StoredRecord) -> RecordRow | None:
        """The record, if it is asked for."""
        if stored.buried != self._buried or not (stored.buried or stored.exists):
            return None
        value = unflatten(stored.fields())
        if not has_labels(value, self._labels) or not has_text(stored.record.key, value, self._text):
            return None
        return row_of(stored, value)


def has_labels(value: dict[str, object], labels: dict[str, str]) -> bool:
    """Whether the record carries all of `labels`."""
    held = value.get("labels")
    return not labels or (isinstance(held, dict) and all(held.get(name) == wanted for name, wanted in labels.items()))


def has_text(key: str, value: dict[str, object], text: str) -> bool:
    """Whether `text` (case-folded) stands in the key or anywhere in the record's JSON."""
    if not text or text in key.casefold():
        return True
    written = msgspec.json.encode(text)[1:-1].decode()  # As JSON escapes it.
    return written in msgspec.json.encode(value).decode().casefold()


def row_of(stored: StoredRecord, value: dict[str, object] | None = None) -> RecordRow:
    """A stored record as clients see it."""
    newest = stored.newest()
    return RecordRow(
        collection=stored.record.collection,
        key=stored.record.key,
        value=unflatten(stored.fields()) if value is None else value,
        conflicts=[_conflict(field, stored) for field in stored.conflicts()],
        changed=Change(newest.author, seconds_of(newest.stamp), str(newest.dot)),
        version=record_version(stored),
        buried=stored.buried,
    )


def _conflict(field: str, stored: StoredRecord) -> Conflict:
    cell, showing = stored.cells[field], stored.showing(field)
    return Conflict(
        field=field,
        values=[_sibling(sibling, sibling is showing.sibling) for sibling in shown_first(cell, showing)],
        policy=showing.policy.rule,
        withheld=showing.withheld,
        mark=showing.mark,
        version=field_version(cell),
    )


def shown_first(cell: Cell, showing: Showing) -> list[Sibling]:
    """The siblings of a cell, the shown one first, then the newest."""
    newest_first = cell[::-1]
    return sorted(newest_first, key=lambda sibling: sibling is not showing.sibling)


def _sibling(sibling: Sibling, shown: bool) -> SiblingValue:
    put = sibling.kind is Kind.PUT
    return SiblingValue(
        value=value_of(sibling) if put else None,
        author=sibling.author,
        at=seconds_of(sibling.stamp),
        dot=str(sibling.dot),
        cleared=not put,
        shown=shown,
    )


def _buried(stored: StoredRecord) -> Buried:
    bury = stored.buries[-1]
    return Buried(
        f"{stored.record} was buried by {bury.author}",
        field="key",
        rule="a buried record is not shown",
        todo="restore it to see and change it again",
    )
