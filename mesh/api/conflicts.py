"""Conflicts as people see and settle them.

Invariant: a listing holds no reader across an `await`; a settlement is one ordinary write, which names all it replaces.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec import UNSET

from mesh.api.faults import Invalid
from mesh.api.provenance import ConflictPage, ConflictRow, FieldConflict, Kinds, ListConflicts, ResolveConflict, Version
from mesh.api.reading import SCANNED_MAX, Slice, catch_up, position_of, shown_first, slices
from mesh.api.writing import as_seen, write
from mesh.crdt.batch import Kind, decode_batch, reread
from mesh.crdt.cell import Sibling
from mesh.crdt.clock import seconds_of
from mesh.crdt.conflicts import Unsettled, scan_unsettled
from mesh.crdt.lines import read_line
from mesh.crdt.replica import Reader, Table
from mesh.crdt.token import encode_token
from mesh.crdt.versions import field_version
from mesh.crdt.view import StoredRecord, next_collection, value_of
from mesh.errors import UsageError
from mesh.ids import RecordId, WriterId, short
from mesh.model.naming import check_collection
from mesh.records import SettleField, TakeSibling
from mesh.runtime.node import Node
from mesh.runtime.rows import Receipt
from mesh.security.trust import fingerprint

_Look = tuple[RecordId, list[Unsettled]]
KINDS: dict[Kind, Kinds] = {Kind.PUT: "put", Kind.CLEAR: "clear", Kind.BURY: "bury", Kind.RESTORE: "restore"}


async def list_conflicts(node: Node, params: ListConflicts) -> ConflictPage:
    """A page of records with something to settle. Raises Behind, UsageError."""
    if params.collection:
        check_collection(params.collection)
    elif params.prefix:
        raise UsageError("a prefix needs a collection", field="prefix", rule="keys of one collection", todo="name one")
    await catch_up(node, params)
    page = _Page(params.limit)
    async with aclosing(_all_slices(node, params)) as parts:
        async for part in parts:
            page.token = page.token or encode_token(part.position)
            if page.take(node, part.seen):
                break
    after = page.last.key if params.collection else str(page.last)
    return ConflictPage(page.items, after if page.full else None, page.token)


async def _all_slices(node: Node, params: ListConflicts) -> AsyncGenerator[Slice[_Look], None]:
    """The records of the collection that is asked for, or of all, from behind `after_key`."""
    if params.collection:
        async with aclosing(slices(node, _look, params.collection, params.prefix, params.after_key)) as parts:
            async for part in parts:
                yield part
        return
    with node.read() as reader:
        position = position_of(reader)
    yield Slice([], position)
    collection, _, key = params.after_key.partition("/")  # A collection's name holds no slash.
    following: str | None = collection or _next(node, "")
    while following is not None:
        async with aclosing(slices(node, _look, following, "", key)) as parts:
            async for part in parts:
                yield part
        following, key = _next(node, following), ""


def _next(node: Node, collection: str) -> str | None:
    with node.read() as reader:
        return next_collection(reader, collection)


def _look(stored: StoredRecord) -> _Look:
    return stored.record, list(scan_unsettled([stored]))


class _Page:
    """A page that is being filled."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._looked = 0
        self.items: list[ConflictRow] = []
        self.last = RecordId("", "")
        self.token = ""

    @property
    def full(self) -> bool:
        """Whether the page ends here, though there may be more."""
        return len(self.items) >= self._limit or self._looked >= SCANNED_MAX

    def take(self, node: Node, looks: list[_Look]) -> bool:
        """Take what is to be settled in some records. True: the page is full, and `last` is where the next one goes on."""
        for record, unsettled in looks:
            self._looked += 1
            self.last = record
            for found in unsettled:
                with node.read() as reader:
                    self.items.append(_row(node, reader, found))
            if self.full:
                return True
        return False


def _row(node: Node, reader: Reader, found: Unsettled) -> ConflictRow:
    def version(field: str, sibling: Sibling, shown: bool) -> Version:
        return version_row(node, reader, field, sibling, shown)

    return ConflictRow(
        collection=found.record.collection,
        key=found.record.key,
        buries=[version("", bury, True) for bury in found.buries],
        conflicts=[
            FieldConflict(
                field=field,
                values=[
                    version(field, s, s is found.shown[field].sibling) for s in shown_first(cell, found.shown[field])
                ],
                policy=found.shown[field].policy.rule,
                withheld=found.shown[field].withheld,
                mark=found.shown[field].mark,
                version=field_version(cell),
            )
            for field, cell in found.cells.items()
        ],
        late=[version(late.field, late.sibling, False) for late in found.late],
    )


def version_row(node: Node, reader: Reader, field: str, sibling: Sibling, shown: bool) -> Version:
    """One live change as clients see it."""
    return Version(
        field=field,
        kind=KINDS[sibling.kind],
        value=value_of(sibling) if sibling.kind is Kind.PUT else None,
        shown=shown,
        author=sibling.author,
        at=seconds_of(sibling.stamp),
        dot=str(sibling.dot),
        writer=sibling.dot.writer.hex(),
        peer=peer_of(node, reader, sibling.dot.writer),
    )


def peer_of(node: Node, reader: Reader, writer: WriterId) -> str:
    """What people call the node whose ledger identity `writer` is."""
    line = read_line(reader, writer)
    if line is not None:
        return node.owner_name(fingerprint(line.key))
    row = next(reader.scan(Table.ENDED, writer), None)  # Nothing may be left of it but what an end took.
    raw = reader.get(Table.CERTIFICATES, reread(decode_batch(row[1])).certificate) if row is not None else None
    return node.owner_name(node.loop.peer.trust.read_certificate(raw).node) if raw is not None else short(writer)


async def resolve_conflict(node: Node, params: ResolveConflict) -> Receipt:
    """Settle the conflict of one field. Raises NotFound, Refused where it is settled already, UsageError, StorageError."""
    record = RecordId(params.collection, params.key)
    if bool(params.take) == (params.value is not UNSET):
        raise Invalid(
            "either `take` or `value` was expected", field="take", rule="one of the two", todo="give a dot, or a value"
        )
    seen = as_seen(params.field, [params.seen] if isinstance(params.seen, str) else params.seen)
    if params.take:
        return await write(node, params, TakeSibling(record, params.field, params.take, seen))
    return await write(node, params, SettleField(record, params.field, params.value, seen))
