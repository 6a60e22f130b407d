"""One step of the fold: batches that came in are verified, put into the log, and applied as far as they can be.

Invariant: a batch enters the log only if its signature holds and it follows on a batch of its writer here: on the newest of a
line, or on an earlier one, and then a branch begins. Whatever goes wrong with one batch is said and holds up its own line alone.
"""

from collections.abc import Sequence
from enum import Enum, auto

from msgspec import Struct

from mesh.crdt.apply import Precedes, apply_batch
from mesh.crdt.batch import Batch, OpenBatch, decode_batch, encode_batch, open_batch
from mesh.crdt.branches import LINES_MAX, Need, Tree, branch_id
from mesh.crdt.effects import Emit
from mesh.crdt.ending import apply_end, assume, correct
from mesh.crdt.ends import SignedEnd, end_write, open_end
from mesh.crdt.fates import Applied, Held, Verdict, Void, judge
from mesh.crdt.fingerprint import add_weights, shift
from mesh.crdt.keys import batch_key
from mesh.crdt.lines import Branch, Context, Line, LineId, drop_write, line_write
from mesh.crdt.looking import Look
from mesh.crdt.names import name_writes
from mesh.crdt.news import about_batch, fork_news
from mesh.crdt.overlay import Overlay
from mesh.crdt.quota import Quota, size_of
from mesh.crdt.replica import Reader, Rows, Table, Write
from mesh.crdt.signatures import Signatures
from mesh.errors import DamagedRow, MalformedMessage
from mesh.ids import NO_BATCH, BatchHash, Dot, Head, MeshId, WriterId, short
from mesh.security.trust import Trust

Blocked = dict[LineId, Need | None]
"""Lines whose next batch is held, and the batch that it waits for, where it waits for one."""


class Step(Enum):
    """Where a batch stands among those of its writer, as far as they are held here."""

    NEXT = auto()
    KNOWN = auto()
    GAP = auto()
    FORK = auto()
    ENDED = auto()


Stand = tuple[Step, Line | None]
"""NEXT: behind the newest batch of that line (None: it is the first of its writer). FORK: behind an earlier one of that line.
ENDED: an admin's end takes it."""


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
        self.reader = reader
        self._ticket = ticket
        self.tree = Tree(reader, place.context)
        self.moved: dict[LineId, Line | None] = {}  # None: the line is gone.
        self.stocked: list[OpenBatch] = []
        self.visible: list[OpenBatch] = []
        self.counted: list[OpenBatch] = []
        self._shifts: dict[int, int] = {}
        self._signatures = Signatures(place.trust, place.context, reader)
        self.news: list[Emit] = []
        self.gap = False
        self.forked: list[WriterId] = []
        self.ends: list[SignedEnd] = []
        self.barred: dict[WriterId, None] = {}

    @property
    def context(self) -> Context:
        """The lines and ends that this fold moves."""
        return self._place.context

    @property
    def mesh(self) -> MeshId:
        """Whose batches these are."""
        return self._place.mesh

    def put(self, write: Write) -> None:
        """Add one write to the ticket."""
        self._place.overlay.put(self._ticket, write)

    def finish(self) -> None:
        """Add what is written once however many batches moved it: the lines of writers, and the buckets of the fingerprint."""
        for line in self.moved.values():
            if line is not None:
                self.put(line_write(line))
        shifts = {bytes([bucket]): by for bucket, by in self._shifts.items()}
        buckets = self.reader.find(Table.BUCKETS, shifts)
        moved: Rows = {key: shift(buckets.get(key), by) for key, by in shifts.items()}
        self._place.overlay.put_all(self._ticket, Table.BUCKETS, moved)

    def bring(self, context: Context) -> None:
        """Bring another context to where this fold left the one that it moved."""
        for signed in self.ends:
            context.end(signed, open_end(signed, self.mesh, self._place.trust))
        for name, line in self.moved.items():
            if line is not None:
                context.move(line)
            else:
                context.drop(name)

    def admit_certificate(self, raw: bytes) -> None:
        """Keep a certificate that is not known yet."""
        certificate = self._place.trust.read_certificate(raw)
        if self.reader.get(Table.CERTIFICATES, certificate.hash) is None:
            self.put(Write(Table.CERTIFICATES, certificate.hash, raw))
            for write in name_writes(self.reader, certificate):
                self.put(write)

    def admit_end(self, signed: SignedEnd, look: Look | None = None) -> None:
        """Take in an admin's end, and take back what it ends. Raises MalformedMessage where the admin has not signed it."""
        end = open_end(signed, self.mesh, self._place.trust)
        if not self.context.end(signed, end):
            return
        self.put(end_write(signed))
        self.ends.append(signed)
        self.news.append(apply_end(self, end, look))
        for line in self.context.family(end.writer):
            self._place.blocked.pop(line.id, None)
            if line.applied.number < line.have.number:
                self.advance(line.id)
        self._place.quota.recount(self.reader, self.context.lines)
        self.retry()

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
        self._signatures.verify_ahead(opened)
        for each in opened:
            self.admit(each)
        if broken is not None:
            raise broken

    def admit(self, opened: OpenBatch) -> None:
        """Put a peer's batch into the log and apply what can be applied. Raises MalformedMessage for a forged one."""
        step, line = self._stand(opened)
        if step is Step.GAP:
            self.gap = True
        if step is Step.ENDED:
            self.barred[opened.content.writer] = None
        if step in (Step.GAP, Step.KNOWN, Step.ENDED):
            return
        key = self._signatures.key_of(opened)
        if not self._signatures.holds(opened, key):
            writer, number = opened.content.writer, opened.content.number
            raise MalformedMessage(f"batch {number} of writer {short(writer)} is not signed by its writer")
        if step is Step.FORK:  # Only now: anybody can write a batch that is not signed, and cry fork.
            assert line is not None, "a branch leaves a line"
            line = self._begin_branch(opened, line)
        if line is not None or step is Step.NEXT:
            self._take(opened, line or _new_line(opened.content.writer, key))

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
        self._reckon(opened)
        self.retry()
        return None

    def _stand(self, opened: OpenBatch) -> Stand:
        """Where a batch stands among those of its writer."""
        content = opened.content
        if self.context.ends and self.context.ends.bars(opened) is not None:
            return Step.ENDED, None
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
        before = self.tree.find(content.writer, content.number - 1, content.previous)
        return (Step.FORK, before) if before is not None else (Step.GAP, None)

    def _is_known(self, opened: OpenBatch, line: Line) -> bool:
        return self._row(line, opened.content.number).content == opened.batch.content

    def _begin_branch(self, opened: OpenBatch, base: Line) -> Line | None:
        """The line of a branch that begins with this batch; None where its writer has too many already."""
        content = opened.content
        if len(self._place.context.family(content.writer)) >= LINES_MAX:
            self.news.append(about_batch("ledger.full", opened, f"its writer has {LINES_MAX} branches already"))
            return None
        if opened.hash not in self._place.branches:
            self.forked.append(content.writer)
            self.news.append(fork_news(opened))
        before = Head(content.writer, content.number - 1, content.previous)
        branch = Branch(branch_id(content.writer, opened.hash), base.id, content.number)
        return Line(before, before, 0, base.key, branch)

    def _row(self, line: Line, number: int) -> Batch:
        """A batch that the context says is in the log. Raises DamagedRow where it is not, or not as it was written."""
        row = self.reader.get(Table.BATCHES, key := batch_key(line.id, number))
        if row is None:
            raise DamagedRow(Table.BATCHES, key, "it is in the context, and not in the log")
        return decode_batch(row)

    def _take(self, opened: OpenBatch, line: Line) -> None:
        is_next, size = opened.content.number == line.applied.number + 1, size_of(opened.batch)
        fault = self._place.quota.fault(line.id, size)
        if fault and not (is_next and not self._would_hold(opened, line)):
            self.news.append(about_batch("ledger.full", opened, fault))
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
        self.move(Line(opened.head, line.applied, line.stamp, line.key, line.branch))
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
        return [line for line, need in waiting if self.tree.is_applied(need)]

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
                self._reckon(opened)
            case Void(reason):
                self._count(opened, line)
                self._record_fate(opened, line, "void", reason)
                self._reckon(opened)
            case Held(reason, need):
                self._place.blocked[line] = need
                self._record_fate(opened, line, "held", reason)

    def _reckon(self, opened: OpenBatch) -> None:
        """Where there are ends, keep account of who did not wait for whom."""
        if self.context.ends:
            assume(self, opened)
            correct(self, opened)

    def _lacks_base(self, opened: OpenBatch, line: Line) -> Need | None:
        content = opened.content
        if line.branch is None or not 1 < content.number == line.branch.fork:
            return None
        before = Need(content.writer, content.number - 1, content.previous)
        return None if self.tree.is_applied(before) else before

    def _try(self, opened: OpenBatch, line: Line) -> Verdict:
        try:
            verdict = self._judge(opened, line)
            if not isinstance(verdict, Applied):
                return verdict
            outcome = apply_batch(self._place.mesh, opened, verdict, self._precedes(line))
        except Exception as error:  # One batch that we cannot digest may hold up its writer; it may not stop a peer.
            return Held(f"applying it failed: {type(error).__name__}: {error}")
        self._place.overlay.put_all(self._ticket, Table.CELLS, outcome.cells)
        add_weights(self._shifts, outcome.cells, outcome.weights)
        return verdict

    def _would_hold(self, opened: OpenBatch, line: Line) -> bool:
        try:
            return self._lacks_base(opened, line) is not None or isinstance(self._judge(opened, line), Held)
        except Exception:  # As in `_try`.
            return True

    def _judge(self, opened: OpenBatch, line: Line) -> Verdict:
        return judge(self.reader, self.tree, self._place.mesh, opened, line)

    def _precedes(self, line: Line) -> Precedes | None:
        """Which changes of a forked writer its next batch on this line replaces. An unforked one's are all on its line."""
        if not self.tree.is_forked(line.have.writer):
            return None

        def precedes(dot: Dot) -> bool:
            return self.tree.precedes(dot, line)

        return precedes

    def _count(self, opened: OpenBatch, name: LineId) -> None:
        line = self._place.context.lines[name]
        stamp = max(self.tree.stamp_of(line), opened.content.stamp)
        self.move(Line(line.have, opened.head, stamp, line.key, line.branch))
        self.counted.append(opened)
        if self.reader.get(Table.FATES, key := batch_key(name, opened.content.number)) is not None:
            self.put(Write(Table.FATES, key, None))

    def _record_fate(self, opened: OpenBatch, line: LineId, fate: str, reason: str) -> None:
        key, row = batch_key(line, opened.content.number), f"{fate}: {reason}".encode()
        if self.reader.get(Table.FATES, key) != row:
            self.put(Write(Table.FATES, key, row))
        self.news.append(about_batch(f"ledger.{fate}", opened, reason))

    def shift(self, cell_key: bytes, by: int) -> None:
        """Move the bucket of one cell."""
        add_weights(self._shifts, (cell_key,), (by,))

    def move(self, line: Line) -> None:
        """Replace what is known of one line."""
        self._place.context.move(line)
        self.moved[line.id] = line

    def drop(self, name: LineId) -> None:
        """Forget a line whose batches are gone."""
        self.put(drop_write(self.context.lines[name]))
        self._place.context.drop(name)
        self._place.blocked.pop(name, None)
        self.moved[name] = None


def _new_line(writer: WriterId, key: bytes) -> Line:
    nothing = Head(writer, 0, NO_BATCH)
    return Line(nothing, nothing, 0, key)
