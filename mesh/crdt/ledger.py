"""The ledger: a replica that is the fold of the signed batches it verified and applied itself.

Invariant: nothing is told to anyone before its ticket is stored, and what builds on a failed ticket is dropped with it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from mesh.config import LedgerConfig
from mesh.crdt.arriving import Arriving
from mesh.crdt.batch import CHANGES_MAX
from mesh.crdt.branches import Need, Position, Tree
from mesh.crdt.compose import changes_of, check_size
from mesh.crdt.damage import Mend
from mesh.crdt.effects import Composed, Emit, Gap, LedgerEffect, NotComposed, Store
from mesh.crdt.ends import Ends
from mesh.crdt.era import read_author
from mesh.crdt.events import (
    Compose,
    ComposeTogether,
    Confirm,
    LedgerEvent,
    Merge,
    OpenEra,
    Retry,
    RetryHeld,
    Stored,
    StoreFailed,
    TakeEnds,
)
from mesh.crdt.fingerprint import Fingerprint
from mesh.crdt.fold import Blocked, Fold, Place
from mesh.crdt.lines import LineId, Lines, read_context
from mesh.crdt.looking import Sight
from mesh.crdt.overlay import Overlay
from mesh.crdt.pending import Asked, Pending, told
from mesh.crdt.quota import LIMITS, Quota
from mesh.crdt.refusals import is_ended, not_applied, refuse_ended, refuse_held_chain, refuse_strays
from mesh.crdt.replica import Reader, Replica, Table
from mesh.crdt.scribe import Scribe
from mesh.crdt.strays import stray_cells
from mesh.crdt.together import beginnings, joined
from mesh.crdt.waiting import note_waits
from mesh.errors import MalformedMessage, StorageError, UsageError
from mesh.ids import Head, MeshId, WriterId
from mesh.security.trust import Trust

BATCH_HASH_BYTES = 32


class Ledger:
    """Verifies, orders, applies and composes batches over a replica that somebody else writes to disk.

    `durable` is the context on disk: digests, tokens and replies speak of it alone.
    """

    def __init__(
        self,
        mesh: MeshId,
        trust: Trust,
        replica: Replica,
        certificate: bytes,
        entropy: Callable[[int], bytes],
        *,
        limits: LedgerConfig = LIMITS,
    ) -> None:
        self.mesh = mesh
        self._trust, self._replica, self._entropy = trust, replica, entropy
        self._overlay = Overlay(replica)
        self._ticket = 0
        self._pending: dict[int, Pending] = {}
        own = trust.read_certificate(certificate)
        with replica.read() as reader:
            self.durable = read_context(reader)
            self.fingerprint = Fingerprint(reader.scan(Table.BUCKETS))
            author = read_author(reader, own.hash, entropy)
            self.quota = Quota(limits)
            self.quota.recount(reader, self.durable.lines)
        self._working = self.durable.copy()
        self._blocked: Blocked = {}
        self._stale = self._held_lines()
        self._fresh = True
        self._scribe = Scribe(mesh, trust, certificate, author, self._working)
        self._node = own.node
        self._arriving = Arriving(mesh, trust, limits.ending_bytes)

    @property
    def lines(self) -> Lines:
        """What `read` shows of every writer."""
        return self._working.lines

    @property
    def writer(self) -> WriterId:
        """This node's ledger identity in its present era."""
        return self._scribe.writer

    @property
    def blocked(self) -> Mapping[LineId, Need | None]:
        """Lines whose next batch is held, and the batch that it waits for, where it waits for one."""
        return self._blocked

    @property
    def ends(self) -> Ends:
        """All ends that `read` shows the effect of."""
        return self._working.ends

    @property
    def is_ended(self) -> bool:
        """Whether an admin has ended this node's own writer: then it writes nothing."""
        return is_ended(self._working, self._node, self.writer) is not None

    def deadline(self) -> float:
        """At once while batches that were held when the replica was opened wait for their one more try, or ends to be applied."""
        return 0.0 if (self._fresh and self._stale) or self._arriving else float("inf")

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """Open a reader on the state that new writes build on: the disk and what is under way to it."""
        with self._overlay.read() as reader:
            yield reader

    @contextmanager
    def read_durable(self) -> Iterator[Reader]:
        """Open a reader on the disk alone: what peers and clients may hear of."""
        with self._replica.read() as reader:
            yield reader

    def handle(self, event: LedgerEvent, now: float) -> list[LedgerEffect]:
        """React to one event. Raises UsageError for a write that cannot be carried out; nothing was changed then.

        Where a row that it takes is damaged on the disk, the event is dropped as a whole, and a write is refused.
        """
        try:
            return self._react(event, now)
        except StorageError as error:
            return self._abandon(event, error)

    def _react(self, event: LedgerEvent, now: float) -> list[LedgerEffect]:
        match event:
            case Merge():
                return self._on_merge(event, now)
            case TakeEnds():
                return self._on_ends(event, now)
            case Compose():
                return self._compose(event, ((event.request, 0),), now)
            case ComposeTogether(writes):
                asked = zip((write.request for write in writes), beginnings(writes), strict=True)
                return self._compose(joined(writes), tuple(asked), now)
            case Confirm(request):
                return self._on_confirm(request)
            case OpenEra(reason):
                return self._on_open_era(reason, now)
            case Mend():
                return self._on_mend(event, now)
            case Retry():
                return self._on_retry(now)
            case RetryHeld():
                return self._on_retry_held(event, now)
            case Stored(ticket):
                return self._on_stored(ticket)
            case StoreFailed(ticket, reason):
                return self._on_store_failed(ticket, reason)

    def _on_merge(self, merge: Merge, now: float) -> list[LedgerEffect]:
        faults: list[LedgerEffect] = []
        with self._folding(now) as fold:
            self._retry_stale(fold)
            try:
                for raw in merge.certificates:
                    fold.admit_certificate(raw)
                fold.admit_all(merge.batches)
            except MalformedMessage as error:
                faults.append(Emit("peer.malformed", {"node": merge.source.hex(), "reason": str(error)}))
        for opened in fold.visible:
            if not self._scribe.clock.merge(opened.content.stamp, now):
                about = {"writer": opened.content.writer.hex(), "author": opened.content.author}
                faults.append(Emit("ledger.skew", {**about, "reason": "its clock is far ahead of ours"}))
        if fold.gap:
            faults.append(Gap(merge.source))
        if self.writer in fold.forked or any(opened.content.writer == self.writer for opened in fold.stocked):
            reason = "this node's disk was copied or restored: a peer has signed batches of ours that it does not hold"
            faults.append(self._begin_era(fold, reason))
        return [*faults, *self._close(Pending(fold, merge.source))]

    def _on_ends(self, taken: TakeEnds, now: float) -> list[LedgerEffect]:
        faults: list[LedgerEffect] = []
        try:
            self._arriving.add(taken, self._working.ends)
        except MalformedMessage as error:
            faults.append(Emit("peer.malformed", {"node": (taken.source or b"").hex(), "reason": str(error)}))
        return [*faults, *self._go_on(now)]

    def _go_on(self, now: float) -> list[LedgerEffect]:
        """Look a little further for what the ends take that came in, and apply those for which everything is found."""
        said: list[LedgerEffect] = []
        self._arriving.begin()
        while self._arriving and self._has_looked():
            arrived = self._arriving.next()
            if arrived.signed is not None:
                with self._folding(now) as fold:
                    self._retry_stale(fold)
                    fold.admit_end(arrived.signed, arrived.look)
                said += self._close(Pending(fold, arrived.taken.source))
                self._scribe.look_at(self._working)  # What is gone is not to be named any more.
            elif arrived.taken.request is not None:
                said += self._on_confirm(arrived.taken.request)
        return said

    def _has_looked(self) -> bool:
        with self._overlay.read() as reader:
            return self._arriving.look(Sight(self.mesh, reader, Tree(reader, self._working), self._working))

    def _compose(self, compose: Compose, asked: tuple[Asked, ...], now: float) -> list[LedgerEffect]:
        if not 1 <= len(compose.edits) <= CHANGES_MAX:
            raise UsageError(
                f"1 to {CHANGES_MAX} changes were expected in one write, {len(compose.edits)} came",
                rule="one batch is shown whole or not at all",
                todo="split the write, or use a bulk verb",
            )
        with self._overlay.read() as reader:
            refuse_held_chain(reader, self._working.lines.get(self.writer))
            refuse_ended(self._working, self._node, self.writer)
            changes = changes_of(reader, compose.edits)
            check_size(changes, compose.about, compose.author)
            strays = stray_cells(reader, Tree(reader, self._working), changes)
        if strays:
            return refuse_strays(strays, asked)
        with self._folding(now) as fold:
            self._scribe.open_chain(fold, self._working)
            for opened in self._scribe.sign_all(changes, compose, self._working, now):
                if (refused := fold.add_own(opened, self._scribe.key)) is not None:
                    break
        if refused is not None:
            error = not_applied(refused)
            return [*(NotComposed(request, error) for request, _ in asked), *self._close(Pending(fold))]
        return self._close(Pending(fold, None, asked))

    def _on_confirm(self, request: int) -> list[LedgerEffect]:
        if not self._pending:
            return [Composed(request, None)]
        self._pending[max(self._pending)].confirms.append(request)
        return []

    def _on_mend(self, mend: Mend, now: float) -> list[LedgerEffect]:
        with self._folding(now) as fold:
            for write in mend.writes:
                fold.put(write)
            fold.news.append(Emit("storage.mended", {"reason": mend.about, "rows": len(mend.writes)}))
        self._stale, self._fresh = self._held_lines(), True  # What was held may have waited for these rows.
        return self._close(Pending(fold))

    def _abandon(self, event: LedgerEvent, error: StorageError) -> list[LedgerEffect]:
        """Forget what the event had begun; what was asked for before it goes on."""
        if self._ticket not in self._pending:
            self._overlay.forget(self._ticket)
        self._working = self.durable.copy()
        for pending in self._pending.values():
            pending.fold.bring(self._working)
        self._blocked.clear()
        self._stale = self._held_lines()
        self._scribe.look_at(self._working)
        self._arriving.start_again()
        with self._overlay.read() as reader:
            self.quota.recount(reader, self._working.lines)
        match event:
            case Compose(request) | Confirm(request):
                return [NotComposed(request, error)]
            case ComposeTogether(writes):
                return [NotComposed(write.request, error) for write in writes]
            case _:
                failed = self._arriving.forget() if isinstance(event, TakeEnds | Retry) else []
                damaged = Emit("storage.damaged", {"reason": str(error)})
                return [*(NotComposed(request, error) for request in failed), damaged]

    def _on_retry(self, now: float) -> list[LedgerEffect]:
        self._fresh = False
        with self._folding(now) as fold:
            self._retry_stale(fold)
        return [*self._close(Pending(fold)), *self._go_on(now)]

    def _on_retry_held(self, retry: RetryHeld, now: float) -> list[LedgerEffect]:
        with self._folding(now) as fold:
            self._retry_stale(fold)
            for name in [n for n in self._blocked if retry.writer in (None, self._working.lines[n].have.writer)]:
                if name in self._blocked:  # Another one's may have helped it meanwhile.
                    fold.advance(name)
            fold.retry()
        return [*self._close(Pending(fold)), *self._on_confirm(retry.request)]

    def _retry_stale(self, fold: Fold) -> None:
        for line in self._stale:
            fold.advance(line)
        if self._stale:
            fold.retry()
        self._stale = []

    def _on_open_era(self, reason: str, now: float) -> list[LedgerEffect]:
        if self.is_ended:
            return []  # Whoever was ended does not go on under another name by itself.
        with self._folding(now) as fold:
            begun = self._begin_era(fold, reason)
        return [begun, *self._close(Pending(fold))]

    def _begin_era(self, fold: Fold, reason: str) -> Emit:
        self._scribe.begin_era(self._entropy(16), self._working)
        self._scribe.keep_era(fold)  # Now: a restart before the first write must not go back.
        return Emit("ledger.era", {"writer": self.writer.hex(), "reason": reason})

    def _on_stored(self, ticket: int) -> list[LedgerEffect]:
        if ticket not in self._pending:  # It was dropped: an earlier ticket failed.
            return []
        done = [self._settled(stored) for stored in list(self._pending) if stored <= ticket]
        self._overlay.stored(ticket)
        return told(done)

    def _settled(self, ticket: int) -> Pending:
        pending = self._pending.pop(ticket)
        for bucket, row in self._overlay.writes(ticket).tables.get(Table.BUCKETS, {}).items():
            self.fingerprint.move(bucket, row)
        pending.fold.bring(self.durable)
        return pending

    def _on_store_failed(self, ticket: int, reason: str) -> list[LedgerEffect]:
        if ticket not in self._pending:
            return []
        requests = [request for pending in self._pending.values() for request in pending.requests]
        self._pending.clear()
        self._arriving.start_again()
        self._overlay.drop()
        self._working = self.durable.copy()
        self._blocked.clear()
        self._stale = self._held_lines()
        with self._replica.read() as reader:
            self.quota.recount(reader, self.durable.lines)
        self._scribe.look_at(self._working)
        failed: list[LedgerEffect] = [NotComposed(request, StorageError(reason)) for request in requests]
        return [*failed, Emit("storage.failed", {"reason": reason})]

    @contextmanager
    def _folding(self, now: float) -> Iterator[Fold]:
        """One fold into a ticket of its own."""
        self._ticket += 1
        place = Place(self.mesh, self._trust, self._overlay, self._working, self._blocked, self.quota)
        before = [*self._blocked, *self._stale]
        with self._overlay.read() as reader:
            fold = Fold(place, reader, self._ticket)
            yield fold
            fold.finish()
            note_waits(reader, fold.put, before, self._blocked, now)

    def _held_lines(self) -> list[LineId]:
        """Lines with batches on disk that are held: each gets one more try, now that nobody knows what they wait for."""
        return [name for name, line in self._working.lines.items() if line.applied.number < line.have.number]

    def _close(self, pending: Pending) -> list[LedgerEffect]:
        for opened in pending.fold.counted:
            self._scribe.hear(opened)
        writes = self._overlay.writes(self._ticket)
        if not writes:
            return [*pending.fold.news]
        self._pending[self._ticket] = pending
        return [Store(self._ticket, writes)]

    def holds(self, head: Head) -> bool:
        """Whether exactly this batch is on disk here."""
        if len(head.hash) != BATCH_HASH_BYTES:
            return False
        with self._replica.read() as reader:
            return Tree(reader, self.durable).find(head.writer, head.number, head.hash) is not None

    def covers(self, token: Position) -> bool:
        """Whether everything that `token` names is applied on disk here."""
        with self._replica.read() as reader:
            return Tree(reader, self.durable).covers(token)

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        for writer, line in self._working.lines.items():
            assert line.applied.number <= line.have.number, writer.hex()
            durable = self.durable.lines.get(writer)
            ended = len(self._working.ends.by_name) > len(self.durable.ends.by_name)  # What it takes is still on disk.
            assert ended or durable is None or durable.have.number <= line.have.number, writer.hex()
        assert set(self._overlay.tickets) == set(self._pending), (self._overlay.tickets, list(self._pending))
