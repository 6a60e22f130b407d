"""A ledger over a disk in memory, driven by hand: the smallest world in which its promises can be seen.

Invariant: nothing is stored, delivered or lost unless a test says so.
"""

from collections.abc import Iterable, Iterator
from random import Random
from typing import Protocol

import msgspec

from mesh.config import LedgerConfig
from mesh.crdt.batch import (
    DOMAIN,
    SEMANTICS,
    Batch,
    Change,
    Content,
    Kind,
    OpenBatch,
    decode_batch,
    encode_content,
    encode_value,
    open_batch,
    writer_id,
)
from mesh.crdt.branches import Tree
from mesh.crdt.compared import anchors
from mesh.crdt.compose import Edit
from mesh.crdt.effects import Composed, LedgerEffect, NotComposed, Store
from mesh.crdt.events import Compose, LedgerEvent, Merge, Retry, Stored, StoreFailed
from mesh.crdt.fingerprint import read_fingerprint
from mesh.crdt.keys import batch_key
from mesh.crdt.ledger import Ledger
from mesh.crdt.log import Difference, lacking
from mesh.crdt.quota import LIMITS
from mesh.crdt.replica import MemoryReplica, Reader, Replica, Table, Write
from mesh.crdt.sums import EVERYTHING
from mesh.crdt.view import StoredRecord, read_record
from mesh.ids import NO_BATCH, Dot, Head, MeshId, NodeId, RecordId, WriterId
from sim.trust import CheapTrust, certificate_for

MESH = MeshId(b"a mesh of tests!")
STRANGER = NodeId(b"some other node!")
NOON = 1_800_000_000.0
YEARS = 365.25 * 86_400
VIEW = (Table.CELLS, Table.BUCKETS, Table.CONTEXT, Table.FORKS, Table.FATES)

Tables = dict[Table, list[tuple[bytes, bytes]]]


class Disk(Replica, Reader, Protocol):
    """A replica that can be read at any moment and written to."""

    def write(self, writes: Iterable[Write]) -> None:
        """Apply `writes` in order, all of them."""
        ...


class Site:
    """One node's ledger and disk. Stores wait in `waiting` until `store` or `fail` says how they ended."""

    def __init__(self, name: str, limits: LedgerConfig = LIMITS, disk: Disk | None = None, chance: str = "") -> None:
        self.name = name
        self.limits = limits
        self.disk: Disk = disk if disk is not None else MemoryReplica()
        self._rng = Random(chance or name)  # Copies of one node have one name, and each its own chance.
        self.open()

    def open(self) -> None:
        """Start the node on its disk; what was under way is gone."""
        self.waiting: list[Store] = []
        self.said: list[LedgerEffect] = []
        self.requests = 0
        certificate = certificate_for(self.name)
        self.ledger = Ledger(
            MESH, CheapTrust(self.name), self.disk, certificate, self._rng.randbytes, limits=self.limits
        )

    def tell(self, event: LedgerEvent, now: float = NOON) -> list[LedgerEffect]:
        """Let the ledger react; keep what it asks of the disk, and return what else it says."""
        effects = self.ledger.handle(event, now)
        self.ledger.check()
        self.waiting += [effect for effect in effects if isinstance(effect, Store)]
        heard = [effect for effect in effects if not isinstance(effect, Store)]
        self.said += heard
        return heard

    def store(self) -> list[LedgerEffect]:
        """The disk has done the oldest store."""
        oldest = self.waiting.pop(0)
        self.disk.write(oldest.writes)
        return self.tell(Stored(oldest.ticket))

    def fail(self) -> list[LedgerEffect]:
        """The disk could not do the oldest store, and does none that was asked for after it."""
        oldest, self.waiting = self.waiting[0], []
        return self.tell(StoreFailed(oldest.ticket, "the disk is full"))

    def settle(self) -> list[LedgerEffect]:
        """The disk does all it was asked for."""
        said: list[LedgerEffect] = []
        while self.ledger.deadline() < NOON or self.waiting:
            said += self.tell(Retry()) if self.ledger.deadline() < NOON else self.store()
        return said

    def compose(self, *edits: Edit, now: float = NOON) -> int:
        """Ask for a write. Returns its request."""
        self.requests += 1
        self.tell(Compose(self.requests, edits, self.name), now)
        return self.requests

    def write(self, *edits: Edit, now: float = NOON) -> Head:
        """A write that is durable at once."""
        request = self.compose(*edits, now=now)
        answers = [said for said in self.settle() if isinstance(said, Composed) and said.request == request]
        assert len(answers) == 1
        assert answers[0].head is not None
        return answers[0].head

    def write_between(self, *edits: Edit) -> None:
        """A write that is durable at once, while other work of the ledger's is still under way."""
        self.compose(*edits)
        while self.waiting:
            self.store()

    def merge(self, *batches: Batch, certificates: Iterable[str] = "abcdx") -> list[LedgerEffect]:
        """Hear batches and the certificates of the nodes `certificates`; the disk does its part at once."""
        said = self.tell(Merge(STRANGER, batches, tuple(map(certificate_for, certificates))))
        return [*said, *self.settle()]

    def pull(self, other: "Site") -> None:
        """Get all that `other` has on disk and this one lacks."""
        self.merge(*other.lacked_by(self.known()))

    def lacked_by(self, heads: Iterable[Head]) -> tuple[Batch, ...]:
        """The durable batches here that somebody with `heads` lacks."""
        difference = Difference()
        batches: list[Batch] = []
        with self.disk.read() as reader:
            difference.add(lacking(reader, self.ledger.durable, heads, EVERYTHING))
            while difference:
                batches += difference.take(reader, 1 << 40, 1 << 40).batches
        return tuple(batches)

    def known(self) -> list[Head]:
        """What is on disk here: heads, and anchors on the way to them."""
        durable = self.ledger.durable
        with self.disk.read() as reader:
            found = [head for writer in sorted(durable.lines) for head in anchors(reader, durable, writer)]
        return [*durable.heads(), *found]

    def heads(self) -> dict[WriterId, int]:
        """What is on disk here, by writer."""
        return {head.writer: head.number for head in self.ledger.durable.heads()}

    def log(self) -> list[Batch]:
        """All batches on disk."""
        return [decode_batch(row) for _, row in self.disk.scan(Table.BATCHES)]

    def applied(self) -> list[OpenBatch]:
        """The batches on disk that count in the context and are not void."""
        return [opened for opened in self.counted() if not self.fate(opened.head)]

    def counted(self) -> list[OpenBatch]:
        """The batches on disk that count in the context."""
        lines = self.ledger.durable.lines
        rows = [(WriterId(key[:16]), open_batch(decode_batch(row), MESH)) for key, row in self.disk.scan(Table.BATCHES)]
        return [opened for line, opened in rows if opened.content.number <= lines[line].applied.number]

    def fate(self, head: Head) -> str:
        """Why a batch is void or held here; empty where it is applied."""
        line = Tree(self.disk, self.ledger.durable).find(head.writer, head.number, head.hash)
        key = batch_key(line.id if line is not None else head.writer, head.number)
        return (self.disk.get(Table.FATES, key) or b"").decode()

    def fates(self) -> dict[Head, str]:
        """Why batches are void or held here, whatever line they are stored in."""
        heads = [open_batch(batch, MESH).head for batch in self.log()]
        return {head: fate for head in sorted(heads) if (fate := self.fate(head))}

    def sight(self) -> tuple[object, ...]:
        """All that must be the same wherever the same batches are held, whatever order they came in."""
        buckets = [
            row for row in self.disk.scan(Table.BUCKETS) if any(row[1])
        ]  # One that came back to nothing is none.
        view = [list(self.disk.scan(Table.CELLS)), buckets]
        return view, self.ledger.durable.digest, self.ledger.durable.heads(), self.ledger.durable.token(), self.fates()

    def show(self, record: RecordId) -> StoredRecord | None:
        """A record as it stands on disk."""
        return read_record(self.disk, record)

    def fields(self, record: RecordId) -> dict[str, object]:
        """The shown fields of a record on disk."""
        stored = self.show(record)
        return stored.fields() if stored is not None else {}

    def fingerprint(self) -> str:
        """The fingerprint of the state on disk."""
        return read_fingerprint(self.disk)

    def tables(self) -> Tables:
        """Everything that must be the same wherever the same batches are applied."""
        return {table: list(self.disk.scan(table)) for table in VIEW}

    def answers(self) -> list[tuple[int, bool]]:
        """How requests were answered: (request, whether it is durable)."""
        return [(s.request, isinstance(s, Composed)) for s in self.said if isinstance(s, Composed | NotComposed)]


def copy_of(disk: Disk) -> MemoryReplica:
    """A disk with the same content."""
    copy = MemoryReplica()
    copy.write(Write(table, key, row) for table in Table for key, row in disk.scan(table))
    return copy


def cloned(site: "Site", seed: str) -> "Site":
    """Another machine that starts from a copy of what is on a site's disk."""
    clone = Site(site.name, chance=site.name + seed)
    clone.disk = copy_of(site.disk)
    clone.open()
    return clone


def exchange(sites: Iterable[Site]) -> None:
    """All sites get all batches that any of them has on disk."""
    everywhere = list(sites)
    for site in everywhere:
        site.settle()
    for site in everywhere * 2:
        for other in everywhere:
            site.pull(other)


class Pen:
    """A writer that signs whatever it is told to: honest, careless or hostile."""

    def __init__(self, name: str = "x", era: bytes = b"era of that pen!") -> None:
        self._trust = CheapTrust(name)
        self.certificate = self._trust.read_certificate(certificate_for(name)).hash
        self.era = era
        self.writer = writer_id(self.certificate, era)
        self.content = self.draft(number=0)
        self.head = Head(self.writer, 0, NO_BATCH)

    def draft(self, **given: object) -> Content:
        """A content that follows on nothing, except for what is given."""
        empty = Content(
            DOMAIN, MESH, SEMANTICS, 0, self.writer, self.era, self.certificate, 1, NO_BATCH, 1, "pen", (), (), {}
        )
        return msgspec.structs.replace(empty, **given)

    def next(self, *changes: Change, **given: object) -> Batch:
        """Sign the next batch of the chain, and go on from it."""
        follows = {"number": self.head.number + 1, "previous": self.head.hash, "stamp": self.content.stamp + 1}
        self.content = self.draft(**{**follows, "changes": changes, **given})
        batch = self.sign(self.content)
        self.head = open_batch(batch, self.content.mesh).head
        return batch

    def copy(self) -> "Pen":
        """The same writer on a copied disk."""
        other = Pen.__new__(Pen)
        other.__dict__.update(self.__dict__)
        return other

    def sign(self, content: Content) -> Batch:
        """Sign any content."""
        return self.sign_bytes(encode_content(content))

    def sign_bytes(self, raw: bytes) -> Batch:
        """Sign any bytes."""
        return Batch(raw, self._trust.sign(raw))

    def dot(self, index: int = 0) -> Dot:
        """A change of the newest batch."""
        return Dot(self.writer, self.head.number, index, self.head.hash[:8])


def put(record: RecordId, field: str, value: object, *over: Dot) -> Change:
    """A change that sets a field."""
    return Change(record, field, Kind.PUT, encode_value(value), over)


def live_dots(batches: Iterable[OpenBatch], log: Iterable[Batch]) -> dict[tuple[RecordId, str], list[Dot]]:
    """The live siblings of every cell, straight from the definition in DESIGN §5 and from nothing that the ledger does.

    `batches` are those that count, `log` all of them: a chain goes on behind a void batch.
    """
    counted = list(batches)
    tree = {opened.hash: opened for opened in (open_batch(batch, MESH) for batch in log)}
    changes = sorted(_changes(counted), key=lambda change: change[0])
    gone = {dot for _, change in changes if change.kind is not Kind.BURY for dot in change.over}
    for opened in counted:
        cells_changed = {(change.record, change.field) for change in opened.content.changes}
        before = tree.get(opened.content.previous)
        while before is not None:
            gone |= {dot for dot, change in _changes([before]) if (change.record, change.field) in cells_changed}
            before = tree.get(before.content.previous)
    cells: dict[tuple[RecordId, str], list[Dot]] = {}
    for dot, change in changes:
        if change.kind is not Kind.RESTORE and dot not in gone:
            cells.setdefault((change.record, change.field), []).append(dot)
    return cells


def _changes(batches: Iterable[OpenBatch]) -> Iterator[tuple[Dot, Change]]:
    for opened in batches:
        for index, change in enumerate(opened.content.changes):
            yield opened.dot(index), change
