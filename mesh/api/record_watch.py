"""Watching records: what there is, a mark, then every applied batch.

Invariant: folding the events gives what the peer shows; an event's value is never older than its batch; a token is sent only
behind everything that it covers.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

import trio

from mesh.api.faults import Behind
from mesh.api.reading import Position, position_of, slices
from mesh.api.shapes import OpenWatch, WatchEvent
from mesh.api.watching import Tell, Watch
from mesh.crdt.batch import OpenBatch, decode_batch, open_batch
from mesh.crdt.branches import WRITER_BYTES, advance, spans_of
from mesh.crdt.keys import batch_key, number_of
from mesh.crdt.lines import LineId
from mesh.crdt.replica import Table
from mesh.crdt.token import decode_token
from mesh.crdt.view import StoredRecord, changes_policies, read_record
from mesh.effects import Emit, Posted, Visible
from mesh.ids import RecordId, WriterId
from mesh.model.fields import unflatten
from mesh.model.naming import check_collection
from mesh.runtime.node import Node

BOOKMARK_S = 10.0  # A watcher of a quiet collection still learns how far the peer is.
RESUMED_MAX = 50_000  # Batches that a resumed watch looks through; a fresh snapshot is cheaper than more.
LOOKED_AT_ONCE = 20  # Batches read in one slice: about 1 ms.


class RecordWatch(Watch):
    """A watch of the records of one collection whose keys start with a prefix."""

    def __init__(self, number: int, node: Node, tell: Tell, params: OpenWatch) -> None:
        super().__init__(number, node, tell)
        self._collection = params.collection
        self._prefix = params.prefix
        self._resume = decode_token(params.resume) if params.resume else None
        self._policies_moved = False  # Since the token that the watch is resumed from.
        self._known: set[str] = set()  # Keys of records that the watcher holds.
        self._next_bookmark = trio.current_time() + BOOKMARK_S

    async def begin(self) -> None:
        touched = None if self._resume is None else await self._touched_since(self._resume)
        if self._resume is not None and touched is None:
            reason = "the token is too old, or an end took back what it names; a snapshot follows"
            await self.tell(WatchEvent(self.number, "RESET", reason=reason))
        position: Position | None = None
        look = partial(self._snapshot, touched)
        async with aclosing(slices(self.node, look, self._collection, self._prefix)) as parts:
            async for part in parts:
                position = part.position if position is None else position
                for event in filter(None, part.seen):
                    await self.tell(event)
        for key in sorted((touched or set()) - self._known):
            await self.tell(WatchEvent(self.number, "REMOVE", key))
        self.position = position or {}
        await self.tell(WatchEvent(self.number, "SYNC", token=self.token))

    def _snapshot(self, touched: set[str] | None, stored: StoredRecord) -> WatchEvent | None:
        key = stored.record.key
        if self._policies_moved and touched is not None and stored.conflicts():
            touched.add(key)
        if not stored.exists:
            return None
        self._known.add(key)
        if touched is not None and key not in touched:
            return None
        return WatchEvent(self.number, "SNAPSHOT", key, unflatten(stored.fields()), author=stored.newest().author)

    async def _touched_since(self, start: Position) -> set[str] | None:
        """Keys that batches behind `start` touch; None where there are too many batches, or an end took some before it."""
        ends = self.node.loop.peer.ledger.durable.ends
        if any(ends.beyond(WriterId(key[:WRITER_BYTES]), number) is not None for key, number in start.items()):
            return None
        touched: set[str] = set()
        looked = 0
        async with aclosing(_batches_since(self.node, start)) as parts:
            async for batches in parts:
                touched.update(key for opened in batches for key in self._keys(opened))
                self._policies_moved = self._policies_moved or changes_policies(batches)
                looked += len(batches)
                if looked > RESUMED_MAX:
                    return None
        return touched

    async def on(self, announcement: Visible | Posted | Emit) -> None:
        if isinstance(announcement, Visible):
            for opened in announcement.batches:
                await self._on_batch(opened)
            await self._bookmark()
        elif isinstance(announcement, Emit) and announcement.name == "ledger.ended":
            self._resume = None
            self._known.clear()
            reason = (
                f"{announcement.about['author']} ended a writer: {announcement.about['reason']}; a snapshot follows"
            )
            await self.tell(WatchEvent(self.number, "RESET", reason=reason))
            await self.begin()

    async def _on_batch(self, opened: OpenBatch) -> None:
        with self.node.read() as reader:
            is_new = advance(reader, self.position, opened)
        if is_new:
            await self._tell_batch(opened)
            if changes_policies([opened]):
                await self._tell_conflicts(opened)

    async def _tell_conflicts(self, opened: OpenBatch) -> None:
        """A policy has changed: tell every record in conflict again, because it may be shown differently now."""
        async with aclosing(slices(self.node, _key_in_conflict, self._collection, self._prefix)) as parts:
            async for part in parts:
                await self._tell_again(opened, [key for key in part.seen if key is not None])

    async def _tell_again(self, opened: OpenBatch, keys: list[str]) -> None:
        for key in keys:
            if (event := self._event(opened, key)) is not None:
                await self.tell(event)

    async def _tell_batch(self, opened: OpenBatch) -> None:
        """All events of one batch; only the last one carries the token, because only then is the batch told whole."""
        events = [event for key in self._keys(opened) if (event := self._event(opened, key)) is not None]
        for place, event in enumerate(events, 1):
            last = place == len(events)
            await self.tell(_with_token(event, self.token) if last else event)
            self._next_bookmark = trio.current_time() + BOOKMARK_S

    def _keys(self, opened: OpenBatch) -> dict[str, None]:
        records = (change.record for change in opened.content.changes)
        return {r.key: None for r in records if r.collection == self._collection and r.key.startswith(self._prefix)}

    def _event(self, opened: OpenBatch, key: str) -> WatchEvent | None:
        """What became of one record: it is read now, so its value may already be newer than the batch."""
        record = RecordId(self._collection, key)
        with self.node.read() as reader:
            stored = read_record(reader, record)
        there, known = stored is not None and stored.exists, key in self._known
        if not there and not known:
            return None
        (self._known.add if there else self._known.discard)(key)
        changes = [(index, c) for index, c in enumerate(opened.content.changes) if c.record == record]
        unsettled = (
            stored.conflicts() if stored is not None else []
        )  # Where the batch changed a policy and not the record.
        return WatchEvent(
            self.number,
            "REMOVE" if not there else "UPDATE" if known else "CREATE",
            key,
            unflatten(stored.fields()) if stored is not None and there else None,
            changed=[change.field for _, change in changes if change.field] if changes else unsettled,
            author=opened.content.author,
            reason=opened.content.about.get("reason", ""),
            dots=[str(opened.dot(index)) for index, _ in changes],
        )

    async def _bookmark(self) -> None:
        if trio.current_time() >= self._next_bookmark:
            self._next_bookmark = trio.current_time() + BOOKMARK_S
            await self.tell(WatchEvent(self.number, "BOOKMARK", token=self.token))


async def check_watch(node: Node, params: OpenWatch) -> None:
    """Raise what stands against opening such a watch: UsageError, or Behind for a token that is not covered in time."""
    check_collection(params.collection)
    if params.resume and not await node.wait_until_covered(params.resume, params.timeout_s):
        raise Behind(
            f"{node.name} has not yet applied everything that the token names, after {params.timeout_s:g} s; "
            "wait longer, resume at another peer, or open the watch without `resume` for a new snapshot"
        )


async def _batches_since(node: Node, start: Position) -> AsyncGenerator[list[OpenBatch], None]:
    """The batches applied here behind `start`, writer by writer, in slices."""
    with node.read() as reader:
        spans, known = spans_of(reader, position_of(reader)), spans_of(reader, start, certain=True)
    for line in sorted(spans):
        number = known.get(line, 0)
        while number < spans[line]:
            batches = _some_batches(node, line, number)
            yield [opened for opened in batches if opened.content.number <= spans[line]]
            number = batches[-1].content.number if batches else spans[line]
            await trio.lowlevel.checkpoint()


def _some_batches(node: Node, line: LineId, number: int) -> list[OpenBatch]:
    batches: list[OpenBatch] = []
    with node.read() as reader:
        for key, row in reader.scan(Table.BATCHES, line, batch_key(line, number)):
            assert number_of(key) > number
            batches.append(open_batch(decode_batch(row), node.identity.mesh))
            if len(batches) >= LOOKED_AT_ONCE:
                break
    return batches


def _key_in_conflict(stored: StoredRecord) -> str | None:
    return stored.record.key if stored.conflicts() else None


def _with_token(event: WatchEvent, token: str) -> WatchEvent:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return WatchEvent(**(fields | {"token": token}))
