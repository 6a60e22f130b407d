"""One step of the fold: batches that came in are verified, put into the log, and applied as far as they can be.

Invariant: a batch enters the log only if its signature holds and it follows on a batch of its writer here: on the newest of a
line, or on an earlier one, and then a branch begins. Whatever goes wrong with one batch is said and holds up its own line alone.
"""

from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto

from msgspec import Struct

from mesh.crdt.apply import Precedes, apply_batch
from mesh.crdt.batch import Batch, OpenBatch, decode_batch, encode_batch, open_batch
from mesh.crdt.branches import LINES_MAX, Need, Tree, branch_id
from mesh.crdt.effects import Emit, Fact
from mesh.crdt.fates import Applied, Held, Verdict, Void, judge
from mesh.crdt.fingerprint import shift
from mesh.crdt.keys import batch_key
from mesh.crdt.lines import Branch, Context, Line, LineId, line_write
from mesh.crdt.names import name_writes
from mesh.crdt.overlay import Overlay
from mesh.crdt.quota import Quota, size_of
from mesh.crdt.replica import Reader, Rows, Table, Write
from mesh.errors import DamagedRow, MalformedMessage
from mesh.ids import NO_BATCH, BatchHash, CertificateHash, Dot, Head, MeshId, WriterId, short
from mesh.security.trust import Certificate, Signed, Trust

Blocked = dict[LineId, Need | None]
"""Lines whose next batch is held, and the batch that it waits for, where it waits for one."""


class Step(Enum):
    """Where a batch stands among those of its writer, as far as they are held here."""

    NEXT = auto()
    KNOWN = auto()
    GAP = auto()
    FORK = auto()


Stand = tuple[Step, Line | None]
"""NEXT: behind the newest batch of that line (None: it is the first of its writer). FORK: behind an earlier one of that line."""


class Place(Struct, frozen=True):
    """Where a fold happens: everything that outlives it."""

    mesh: MeshId
    trust: Trust
    overlay: Overlay
    context: Context
    blocked: Blocked
    quota: Quota
    branches: frozenset[BatchHash] = frozenset()
    """First batches of branches, where it is settled already which one is the writer's line."""


class Fold:
    """The batches of one event, on their way into one ticket."""

    def __init__(self, place: Place, reader: Reader, ticket: int) -> None:
        self._place = place
        self._reader = reader
        self._ticket = ticket
        self._tree = Tree(reader, place.context)
        self.moved: dict[LineId, Line] = {}
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
        step, line = self._stand(opened)
        if step is Step.GAP:
            self.gap = True
        if step in (Step.GAP, Step.KNOWN):
            return
        key = self._key(opened)
        if not self._is_signed(opened, key):
            writer, number = opened.content.writer, opened.content.number
            raise MalformedMessage(f"batch {number} of writer {short(writer)} is not signed by its writer")
        if step is Step.FORK:  # Only now: anybody can write a batch that is not signed, and cry fork.
            assert line is not None, "a branch leaves a line"
            line = self._begin_branch(opened, line)
        if line is not None or step is Step.NEXT:
            self._take(opened, line or _new_line(opened.content.writer, key))

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
        step, line = self._stand(opened)
        assert step is Step.NEXT, f"own batch {opened.content.number} does not follow on the own chain"
        line = line or _new_line(opened.content.writer, key)
        if not isinstance(verdict := self._try(opened, line), Applied):
            return verdict
        self._stock(opened, line)
        self._count(opened, line.id)
        self.visible.append(opened)
        self.retry()
        return None

    def _stand(self, opened: OpenBatch) -> Stand:
        """Where a batch stands among those of its writer."""
        content = opened.content
        only = self._place.context.lines.get(content.writer)
        if only is None:
            return (Step.NEXT if content.number == 1 else Step.GAP), None
        begins = opened.hash in self._place.branches
        if only.have.hash == content.previous and only.have.number + 1 == content.number and not begins:
            return Step.NEXT, only
        family = self._place.context.family(content.writer)
        for line in family:
            if line.first <= content.number <= line.have.number and self._is_known(opened, line):
                return Step.KNOWN, line
        for line in family:
            if line.have.number + 1 == content.number and line.have.hash == content.previous and not begins:
                return Step.NEXT, line
        if content.number == 1:
            return Step.FORK, family[0]
        before = self._tree.find(content.writer, content.number - 1, content.previous)
        return (Step.FORK, before) if before is not None else (Step.GAP, None)

    def _is_known(self, opened: OpenBatch, line: Line) -> bool:
        return self._row(line, opened.content.number).content == opened.batch.content

    def _begin_branch(self, opened: OpenBatch, base: Line) -> Line | None:
        """The line of a branch that begins with this batch; None where its writer has too many already."""
        content = opened.content
        if len(self._place.context.family(content.writer)) >= LINES_MAX:
            self.news.append(_about("ledger.full", opened, f"its writer has {LINES_MAX} branches already"))
            return None
        if opened.hash not in self._place.branches:
            self.forked.append(content.writer)
            self.news.append(_fork_news(opened))
        before = Head(content.writer, content.number - 1, content.previous)
        branch = Branch(branch_id(content.writer, opened.hash), base.id, content.number)
        return Line(before, before, 0, base.key, branch)

    def _row(self, line: Line, number: int) -> Batch:
        """A batch that the context says is in the log. Raises DamagedRow where it is not, or not as it was written."""
        row = self._reader.get(Table.BATCHES, key := batch_key(line.id, number))
        if row is None:
            raise DamagedRow(Table.BATCHES, key, "it is in the context, and not in the log")
        return decode_batch(row)

    def _certificate(self, wanted: CertificateHash) -> Certificate:
        raw = self._reader.get(Table.CERTIFICATES, wanted)
        if raw is None:
            raise MalformedMessage(f"certificate {short(wanted)} of a new writer did not come with its batch")
        return self._place.trust.read_certificate(raw)

    def _take(self, opened: OpenBatch, line: Line) -> None:
        is_next, size = opened.content.number == line.applied.number + 1, size_of(opened.batch)
        fault = self._place.quota.fault(line.id, size)
        if fault and not (is_next and not self._would_hold(opened, line)):
            self.news.append(_about("ledger.full", opened, fault))
            return
        self._stock(opened, line)
        if is_next:
            self._settle(opened, line.id)
        if not is_next or line.id in self._place.blocked:
            self._place.quota.add(line.id, size)
        if is_next:
            self.retry()

    def _stock(self, opened: OpenBatch, line: Line) -> None:
        """Put a batch into the log, as the newest of its line."""
        self.put(Write(Table.BATCHES, batch_key(line.id, opened.content.number), encode_batch(opened.batch)))
        self._move(Line(opened.head, line.applied, line.stamp, line.key, line.branch))
        self.stocked.append(opened)

    def retry(self) -> None:
        """Apply every held batch whose reason is gone."""
        ready = self._unblocked()
        while ready:
            for line in ready:
                self.advance(line)
            ready = self._unblocked()

    def _unblocked(self) -> list[LineId]:
        if not self._place.blocked:
            return []
        waiting = [(line, need) for line, need in self._place.blocked.items() if need is not None]
        return [line for line, need in waiting if self._tree.is_applied(need)]

    def advance(self, name: LineId) -> None:
        """Apply the batches of a line that are in the log and not applied yet, as far as they can be."""
        self._place.blocked.pop(name, None)
        line = self._place.context.lines[name]
        while line.applied.number < line.have.number and name not in self._place.blocked:
            number = line.applied.number + 1
            try:
                opened = open_batch(self._row(line, number), self._place.mesh)
            except (
                MalformedMessage,
                DamagedRow,
            ) as error:  # Kept under older rules, and nonsense under these; or a bad disk.
                self._hold_unreadable(name, number, str(error))
                return
            self._settle(opened, name)
            if name not in self._place.blocked:
                self._place.quota.remove(name, size_of(opened.batch))
            line = self._place.context.lines[name]

    def _hold_unreadable(self, line: LineId, number: int, reason: str) -> None:
        self._place.blocked[line] = None
        self.put(Write(Table.FATES, batch_key(line, number), f"held: {reason}".encode()))
        writer = self._place.context.lines[line].have.writer
        self.news.append(Emit("ledger.held", {"writer": writer.hex(), "number": number, "reason": reason}))

    def _settle(self, opened: OpenBatch, line: LineId) -> None:
        """Give the batch that follows on the applied head of a line its fate; a branch waits without a word for its base."""
        settled = self._place.context.lines[line]
        if (before := self._lacks_base(opened, settled)) is not None:
            self._place.blocked[line] = before
            return
        match self._try(opened, settled):
            case Applied(_, _):
                self._count(opened, line)
                self.visible.append(opened)
            case Void(reason):
                self._count(opened, line)
                self._record_fate(opened, line, "void", reason)
            case Held(reason, need):
                self._place.blocked[line] = need
                self._record_fate(opened, line, "held", reason)

    def _lacks_base(self, opened: OpenBatch, line: Line) -> Need | None:
        content = opened.content
        if line.branch is None or not 1 < content.number == line.branch.fork:
            return None
        before = Need(content.writer, content.number - 1, content.previous)
        return None if self._tree.is_applied(before) else before

    def _try(self, opened: OpenBatch, line: Line) -> Verdict:
        try:
            verdict = self._judge(opened, line)
            if not isinstance(verdict, Applied):
                return verdict
            outcome = apply_batch(self._place.mesh, opened, verdict, self._precedes(line))
        except Exception as error:  # One batch that we cannot digest may hold up its writer; it may not stop a peer.
            return Held(f"applying it failed: {type(error).__name__}: {error}")
        self._place.overlay.put_all(self._ticket, Table.CELLS, outcome.cells)
        for bucket, by in outcome.shifts.items():
            self._shifts[bucket] = self._shifts.get(bucket, 0) + by
        return verdict

    def _would_hold(self, opened: OpenBatch, line: Line) -> bool:
        try:
            return self._lacks_base(opened, line) is not None or isinstance(self._judge(opened, line), Held)
        except Exception:  # As in `_try`.
            return True

    def _judge(self, opened: OpenBatch, line: Line) -> Verdict:
        return judge(self._reader, self._tree, self._place.mesh, opened, line)

    def _precedes(self, line: Line) -> Precedes | None:
        """Which changes of a forked writer its next batch on this line replaces. An unforked one's are all on its line."""
        if not self._tree.is_forked(line.have.writer):
            return None

        def precedes(dot: Dot) -> bool:
            return self._tree.precedes(dot, line)

        return precedes

    def _count(self, opened: OpenBatch, name: LineId) -> None:
        line = self._place.context.lines[name]
        stamp = max(self._tree.stamp_of(line), opened.content.stamp)
        self._move(Line(line.have, opened.head, stamp, line.key, line.branch))
        self.counted.append(opened)
        if self._reader.get(Table.FATES, key := batch_key(name, opened.content.number)) is not None:
            self.put(Write(Table.FATES, key, None))

    def _record_fate(self, opened: OpenBatch, line: LineId, fate: str, reason: str) -> None:
        key, row = batch_key(line, opened.content.number), f"{fate}: {reason}".encode()
        if self._reader.get(Table.FATES, key) != row:
            self.put(Write(Table.FATES, key, row))
        self.news.append(_about(f"ledger.{fate}", opened, reason))

    def _move(self, line: Line) -> None:
        self._place.context.move(line)
        self.moved[line.id] = line


def _new_line(writer: WriterId, key: bytes) -> Line:
    nothing = Head(writer, 0, NO_BATCH)
    return Line(nothing, nothing, 0, key)


def _fork_news(opened: OpenBatch) -> Emit:
    reason = "two different batches have this number: a disk was copied or restored, or a key stolen; both are kept"
    branch = branch_id(opened.content.writer, opened.hash).hex()
    return Emit("ledger.fork", {**_about("", opened, reason).about, "branch": branch, "author": opened.content.author})


def _about(name: str, opened: OpenBatch, reason: str) -> Emit:
    about: dict[str, Fact] = {
        "writer": opened.content.writer.hex(),
        "number": opened.content.number,
        "reason": reason,
    }
    return Emit(name, about)
