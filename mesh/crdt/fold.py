"""One step of the fold: batches that came in are verified, put into the log, and applied as far as they can be.

Invariant: a batch enters the log only if its signature holds and it follows on its writer's newest batch here; whatever goes
wrong with one batch is said and holds up its own writer alone.
"""

from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto

from msgspec import Struct

from mesh.crdt.apply import apply_batch
from mesh.crdt.batch import Batch, OpenBatch, decode_batch, encode_batch, open_batch
from mesh.crdt.effects import Emit
from mesh.crdt.fates import Applied, Held, Verdict, Void, judge
from mesh.crdt.fingerprint import shift
from mesh.crdt.keys import batch_key
from mesh.crdt.lines import Context, Line, line_write
from mesh.crdt.names import name_writes
from mesh.crdt.overlay import Overlay
from mesh.crdt.quota import Quota, size_of
from mesh.crdt.replica import Reader, Rows, Table, Write
from mesh.errors import DamagedRow, MalformedMessage
from mesh.ids import NO_BATCH, CertificateHash, Head, MeshId, WriterId, short
from mesh.security.trust import Certificate, Signed, Trust

Blocked = dict[WriterId, tuple[WriterId, int] | None]
"""Writers whose next batch is held, and the (writer, number) that it waits for, where it waits for one."""


class Step(Enum):
    """Where a batch stands on the chain of its writer, as far as the chain is held here."""

    NEXT = auto()
    KNOWN = auto()
    GAP = auto()
    FORK = auto()


class Place(Struct, frozen=True):
    """Where a fold happens: everything that outlives it."""

    mesh: MeshId
    trust: Trust
    overlay: Overlay
    context: Context
    blocked: Blocked
    quota: Quota


class Fold:
    """The batches of one event, on their way into one ticket."""

    def __init__(self, place: Place, reader: Reader, ticket: int) -> None:
        self._place = place
        self._reader = reader
        self._ticket = ticket
        self.moved: dict[WriterId, Line] = {}
        self.stocked: list[OpenBatch] = []
        self.visible: list[OpenBatch] = []
        self.counted: list[OpenBatch] = []
        self._shifts: dict[int, int] = {}
        self._checked: dict[Signed, bool] = {}
        self.news: list[Emit] = []
        self.gap = False
        self.forked: list[WriterId] = []

    def put(self, write: Write) -> None:
        """Add one write to the ticket."""
        self._place.overlay.put(self._ticket, write)

    def finish(self) -> None:
        """Add what is written once however many batches moved it: the lines of writers, and the buckets of the fingerprint."""
        for line in self.moved.values():
            self.put(line_write(line))
        shifts = {bytes([bucket]): by for bucket, by in self._shifts.items()}
        buckets = self._reader.find(Table.BUCKETS, shifts)
        moved: Rows = {key: shift(buckets.get(key), by) for key, by in shifts.items()}
        self._place.overlay.put_all(self._ticket, Table.BUCKETS, moved)

    def admit_certificate(self, raw: bytes) -> None:
        """Keep a certificate that is not known yet."""
        certificate = self._place.trust.read_certificate(raw)
        if self._reader.get(Table.CERTIFICATES, certificate.hash) is None:
            self.put(Write(Table.CERTIFICATES, certificate.hash, raw))
            for write in name_writes(self._reader, certificate):
                self.put(write)

    def admit_all(self, batches: Sequence[Batch]) -> None:
        """Put a peer's batches into the log, in their order, and apply what can be applied.

        Raises MalformedMessage at the first that is forged or broken; those before it are in.
        """
        opened: list[OpenBatch] = []
        broken: MalformedMessage | None = None
        try:
            for batch in batches:
                opened.append(open_batch(batch, self._place.mesh))
        except MalformedMessage as error:
            broken = error
        self._verify_ahead(opened)
        for each in opened:
            self.admit(each)
        if broken is not None:
            raise broken

    def _verify_ahead(self, batches: Sequence[OpenBatch]) -> None:
        """Check the signatures of those batches that may follow on the log, all at once, for `admit` to come."""
        lines = self._place.context.lines
        newest: dict[WriterId, int] = {}
        claims: list[Signed] = []
        for opened in batches:
            writer, line = opened.content.writer, lines.get(opened.content.writer)
            number = newest.get(writer, line.have.number if line is not None else 0)
            if opened.content.number != number + 1:
                continue
            newest[writer] = opened.content.number
            with suppress(MalformedMessage):  # It is told when this batch has its turn.
                claims.append(Signed(self._key(opened), opened.batch.signature, opened.batch.content))
        self._checked.update(zip(claims, self._place.trust.verify_all(claims), strict=True))

    def admit(self, opened: OpenBatch) -> None:
        """Put a peer's batch into the log and apply what can be applied. Raises MalformedMessage for a forged one."""
        step = self._step(opened)
        if step is Step.GAP:
            self.gap = True
        if step in (Step.GAP, Step.KNOWN):
            return
        key = self._key(opened)
        if not self._is_signed(opened, key):
            writer, number = _place_of(opened)
            raise MalformedMessage(f"batch {number} of writer {short(writer)} is not signed by its writer")
        if step is Step.FORK:  # Only now: anybody can write a batch that is not signed, and cry fork.
            self._tell_fork(opened)
        else:
            self._take(opened, key)

    def _key(self, opened: OpenBatch) -> bytes:
        """The public key of a batch's writer. Raises MalformedMessage where its certificate did not come."""
        line = self._place.context.lines.get(opened.content.writer)
        return line.key if line is not None else self._certificate(opened.content.certificate).key

    def _is_signed(self, opened: OpenBatch, key: bytes) -> bool:
        claim = Signed(key, opened.batch.signature, opened.batch.content)
        verdict = self._checked.get(claim)
        return self._place.trust.verify(claim.key, claim.signature, claim.content) if verdict is None else verdict

    def add_own(self, opened: OpenBatch, key: bytes) -> Void | Held | None:
        """Put a batch that this node has just signed into the log and apply it. One that would not be applied leaves no trace."""
        assert self._step(opened) is Step.NEXT, f"own batch {opened.content.number} does not follow on the own chain"
        if not isinstance(verdict := self._try(opened), Applied):
            return verdict
        line = self._place.context.lines.get(opened.content.writer)
        self._stock(opened, line.applied if line is not None else Head(opened.content.writer, 0, NO_BATCH), key)
        self._count(opened)
        self.visible.append(opened)
        self.retry()
        return None

    def _step(self, opened: OpenBatch) -> Step:
        """Where a batch stands on the chain of its writer."""
        content = opened.content
        line = self._place.context.lines.get(content.writer)
        have = line.have if line is not None else Head(content.writer, 0, NO_BATCH)
        if content.number > have.number + 1:
            return Step.GAP
        if content.number == have.number + 1:
            return Step.NEXT if content.previous == have.hash else Step.FORK
        row = self._row(*_place_of(opened))
        return Step.KNOWN if decode_batch(row).content == opened.batch.content else Step.FORK

    def _row(self, writer: WriterId, number: int) -> bytes:
        """A batch that the context says is in the log. Raises DamagedRow where it is not, or not as it was written."""
        row = self._reader.get(Table.BATCHES, key := batch_key(writer, number))
        if row is None:
            raise DamagedRow(Table.BATCHES, key, "it is in the context, and not in the log")
        return row

    def _certificate(self, wanted: CertificateHash) -> Certificate:
        raw = self._reader.get(Table.CERTIFICATES, wanted)
        if raw is None:
            raise MalformedMessage(f"certificate {short(wanted)} of a new writer did not come with its batch")
        return self._place.trust.read_certificate(raw)

    def _take(self, opened: OpenBatch, key: bytes) -> None:
        line = self._place.context.lines.get(opened.content.writer)
        applied = line.applied if line is not None else Head(opened.content.writer, 0, NO_BATCH)
        is_next = opened.content.number == applied.number + 1
        fault = self._place.quota.fault(opened.content.writer, size_of(opened.batch))
        if fault and not (is_next and not self._would_hold(opened)):
            self.news.append(_about("ledger.full", opened, fault))
            return
        self._stock(opened, applied, key)
        if is_next:
            self._settle(opened)
        if not is_next or opened.content.writer in self._place.blocked:
            self._place.quota.add(opened.content.writer, size_of(opened.batch))
        if is_next:
            self.retry()

    def _stock(self, opened: OpenBatch, applied: Head, key: bytes) -> None:
        """Put a batch into the log, as its writer's newest."""
        line = self._place.context.lines.get(opened.content.writer)
        self.put(Write(Table.BATCHES, batch_key(*_place_of(opened)), encode_batch(opened.batch)))
        self._move(Line(opened.head, applied, line.stamp if line is not None else 0, key))
        self.stocked.append(opened)

    def retry(self) -> None:
        """Apply every held batch whose reason is gone."""
        ready = self._unblocked()
        while ready:
            for writer in ready:
                self.advance(writer)
            ready = self._unblocked()

    def _unblocked(self) -> list[WriterId]:
        if not self._place.blocked:
            return []
        lines = self._place.context.lines
        waiting = [(writer, need) for writer, need in self._place.blocked.items() if need is not None]
        return [w for w, (on, number) in waiting if on in lines and lines[on].applied.number >= number]

    def advance(self, writer: WriterId) -> None:
        """Apply the batches of `writer` that are in the log and not applied yet, as far as they can be."""
        self._place.blocked.pop(writer, None)
        line = self._place.context.lines[writer]
        while line.applied.number < line.have.number and writer not in self._place.blocked:
            try:
                row = self._row(writer, line.applied.number + 1)
                opened = open_batch(decode_batch(row), self._place.mesh)
            except (
                MalformedMessage,
                DamagedRow,
            ) as error:  # Kept under older rules, and nonsense under these; or a bad disk.
                self._hold_unreadable(writer, line.applied.number + 1, str(error))
                return
            self._settle(opened)
            if writer not in self._place.blocked:
                self._place.quota.remove(writer, size_of(opened.batch))
            line = self._place.context.lines[writer]

    def _hold_unreadable(self, writer: WriterId, number: int, reason: str) -> None:
        self._place.blocked[writer] = None
        self.put(Write(Table.FATES, batch_key(writer, number), f"held: {reason}".encode()))
        self.news.append(Emit("ledger.held", {"writer": writer.hex(), "number": number, "reason": reason}))

    def _settle(self, opened: OpenBatch) -> None:
        """Give the batch that follows on its writer's applied head its fate."""
        match self._try(opened):
            case Applied(_, _):
                self._count(opened)
                self.visible.append(opened)
            case Void(reason):
                self._count(opened)
                self._record_fate(opened, "void", reason)
            case Held(reason, need):
                self._place.blocked[opened.content.writer] = need
                self._record_fate(opened, "held", reason)

    def _try(self, opened: OpenBatch) -> Verdict:
        try:
            verdict = self._judge(opened)
            if not isinstance(verdict, Applied):
                return verdict
            outcome = apply_batch(self._place.mesh, opened, verdict)
        except Exception as error:  # One batch that we cannot digest may hold up its writer; it may not stop a peer.
            return Held(f"applying it failed: {type(error).__name__}: {error}")
        self._place.overlay.put_all(self._ticket, Table.CELLS, outcome.cells)
        for bucket, by in outcome.shifts.items():
            self._shifts[bucket] = self._shifts.get(bucket, 0) + by
        return verdict

    def _would_hold(self, opened: OpenBatch) -> bool:
        try:
            return isinstance(self._judge(opened), Held)
        except Exception:  # As in `_try`.
            return True

    def _judge(self, opened: OpenBatch) -> Verdict:
        return judge(self._reader, self._place.context.lines, self._place.mesh, opened)

    def _count(self, opened: OpenBatch) -> None:
        line = self._place.context.lines[opened.content.writer]
        self._move(Line(line.have, opened.head, max(line.stamp, opened.content.stamp), line.key))
        self.counted.append(opened)
        if self._reader.get(Table.FATES, key := batch_key(*_place_of(opened))) is not None:
            self.put(Write(Table.FATES, key, None))

    def _record_fate(self, opened: OpenBatch, fate: str, reason: str) -> None:
        key, row = batch_key(*_place_of(opened)), f"{fate}: {reason}".encode()
        if self._reader.get(Table.FATES, key) != row:
            self.put(Write(Table.FATES, key, row))
        self.news.append(_about(f"ledger.{fate}", opened, reason))

    def _move(self, line: Line) -> None:
        self._place.context.move(line)
        self.moved[line.have.writer] = line

    def _tell_fork(self, opened: OpenBatch) -> None:
        self.forked.append(opened.content.writer)
        self.news.append(
            _about("ledger.fork", opened, "two different batches have this number: a disk was copied or a key stolen")
        )


def _place_of(opened: OpenBatch) -> tuple[WriterId, int]:
    return opened.content.writer, opened.content.number


def _about(name: str, opened: OpenBatch, reason: str) -> Emit:
    writer, number = _place_of(opened)
    return Emit(name, {"writer": writer.hex(), "number": number, "reason": reason})
