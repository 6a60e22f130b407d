"""The log as others need it: batches that a peer lacks, with the certificates to verify them.

Invariant: only durable batches are read, a bounded number at a time, per writer without a gap, and across writers so that what a
batch depends on comes before it; a row that cannot be read ends its own writer's part and is told.
"""

import heapq
from collections import deque
from collections.abc import Iterable

from msgspec import Struct

from mesh.crdt.batch import Batch, Envelope, OpenBatch, decode_batch, read_envelope
from mesh.crdt.compared import Compared
from mesh.crdt.keys import batch_key
from mesh.crdt.lines import Context, Line, LineId
from mesh.crdt.replica import Reader, Table
from mesh.crdt.sums import Span
from mesh.errors import DamagedRow, MalformedMessage
from mesh.ids import NO_BATCH, CertificateHash, Head, WriterId

LOOKS_MAX = 256  # First batches looked at in one slice, before their order is known: about 2 ms.


class Stretch(Struct, frozen=True):
    """The batches of one line after number `after`, up to and with number `last`.

    Of a further branch of a writer that forked, `base` is the batch behind which it begins, named by the line that holds that.
    """

    writer: LineId
    after: int
    last: int
    base: Head | None = None
    of: WriterId | None = None


class Parcel(Struct, frozen=True):
    """Batches for one peer. `more`: it lacks others that did not fit."""

    batches: tuple[Batch, ...]
    certificates: tuple[bytes, ...]
    more: bool


class Unreadable(Struct, frozen=True):
    """A batch that should be in the log and cannot be read there."""

    writer: WriterId
    number: int
    reason: str


class _Next(Struct):
    """The next batch of a writer: what is known of it before it is read for sending."""

    number: int
    last: int
    stamp: int
    after: tuple[Head, ...]


def lacking(reader: Reader, context: Context, theirs: Iterable[Head], unnamed: Span) -> list[Stretch]:
    """What a peer lacks of our durable lines, when it holds `theirs`, and nothing of the writers in `unnamed` beside these."""
    compared = Compared(reader, context, theirs)
    others = [line.have.writer for line in context.lines.values() if unnamed.covers(line.have.writer)]
    writers = sorted(dict.fromkeys([*compared.named, *others]))
    return [_stretch(line, number) for writer in writers for line, number in compared.behind(writer)]


def _stretch(line: Line, after: int) -> Stretch:
    if line.branch is None:
        return Stretch(line.id, after, line.have.number)
    before = Head(line.branch.base, line.branch.fork - 1, NO_BATCH)
    return Stretch(line.id, max(after, before.number), line.have.number, before, line.have.writer)


def unequal(ours: Iterable[Head], theirs: tuple[Head, ...]) -> tuple[Head, ...]:
    """Our heads that are not among `theirs`; a writer of theirs that we know nothing of stands there with number 0.

    Of a writer that forked all heads are named where one of them differs: what is not named is equal.
    """
    same, mine = frozenset(theirs), tuple(ours)
    known = frozenset(head.writer for head in mine)
    strange = dict.fromkeys(head.writer for head in theirs if head.writer not in known)
    differing = frozenset(head.writer for head in mine if head not in same) | _one_sided(mine, theirs)
    found = [head for head in mine if head.writer in differing]
    return tuple(sorted([*found, *(Head(writer, 0, NO_BATCH) for writer in strange)]))


def _one_sided(mine: tuple[Head, ...], theirs: tuple[Head, ...]) -> frozenset[WriterId]:
    """Writers of which the other side has branches that we lack."""
    ours = frozenset(mine)
    return frozenset(head.writer for head in theirs if head not in ours)


class Difference:
    """What one peer lacks, on its way: read from the log parcel by parcel."""

    def __init__(self) -> None:
        self._unseen: deque[Stretch] = deque()
        self._unplaced: deque[WriterId] = deque()  # Seen, and not yet ordered among the others.
        self._next: dict[WriterId, _Next] = {}
        self._ready: list[tuple[int, WriterId]] = []
        self._waiting: dict[WriterId, list[tuple[int, WriterId]]] = {}  # Who comes after which batch of whom: heaps.
        self._unreadable: list[Unreadable] = []
        self._branches: dict[LineId, Stretch] = {}

    def __bool__(self) -> bool:
        """Whether there is anything left to send."""
        return bool(self._unseen or self._next)

    def add(self, stretches: Iterable[Stretch]) -> None:
        """The peer lacks these too. A writer that is on its way already is left as it is."""
        fresh = [stretch for stretch in stretches if stretch.writer not in self._next]
        self._unseen += fresh
        self._branches.update({stretch.writer: stretch for stretch in fresh if stretch.base is not None})

    def take(self, reader: Reader, bytes_max: int, batches_max: int) -> Parcel:
        """The next batches: at most `batches_max`, and hardly more than `bytes_max` bytes of them.

        An empty parcel with `more` means that the order is not known yet: take again.
        """
        self._place(reader)
        taken: list[Batch] = []
        firsts: list[Envelope] = []
        while not (self._unseen or self._unplaced) and len(taken) < batches_max and bytes_max > 0 and self._next:
            writer = self._first()
            step = self._next.pop(writer)
            if (found := self._read(reader, writer, step.number)) is not None:
                batch, envelope = found
                taken.append(batch)
                firsts += [envelope] if envelope.number == 1 else []
                bytes_max -= len(batch.content) + len(batch.signature)
                if self._look(reader, writer, step.number + 1, step.last):
                    self._schedule(writer)
            self._release(writer)
        return Parcel(tuple(taken), _certificates(reader, firsts), more=bool(self))

    def unreadable(self) -> list[Unreadable]:
        """What could not be read since this was last asked."""
        found, self._unreadable = self._unreadable, []
        return found

    def _place(self, reader: Reader) -> None:
        """Look at some first batches; once all are known, find out which of them wait for others."""
        for _ in range(min(LOOKS_MAX, len(self._unseen))):
            stretch = self._unseen.popleft()
            if self._look(reader, stretch.writer, stretch.after + 1, stretch.last):
                self._unplaced.append(stretch.writer)
        if not self._unseen:
            for _ in range(min(LOOKS_MAX, len(self._unplaced))):
                self._schedule(self._unplaced.popleft())

    def _look(self, reader: Reader, writer: WriterId, number: int, last: int) -> bool:
        """Find out where a writer's next batch stands, if it has one."""
        if number > last or (found := self._read(reader, writer, number)) is None:
            return False
        after = found[1].after
        branch = self._branches.get(writer)
        if branch is not None and branch.base is not None and number == branch.base.number + 1:
            after = (branch.base, *after)
        self._next[writer] = _Next(number, last, found[1].stamp, after)
        return True

    def _read(self, reader: Reader, writer: WriterId, number: int) -> tuple[Batch, Envelope] | None:
        try:
            row = reader.get(Table.BATCHES, batch_key(writer, number))
            if row is None:
                raise MalformedMessage("a batch in the log is missing")
            batch = decode_batch(row)
            envelope = read_envelope(batch)
            branch = self._branches.get(writer)
            if (envelope.writer, envelope.number) != (branch.of if branch is not None else writer, number):
                raise MalformedMessage("a batch in the log stands in another one's place")
        except (MalformedMessage, DamagedRow) as error:
            self._unreadable.append(Unreadable(writer, number, str(error)))
            return None
        return batch, envelope

    def _schedule(self, writer: WriterId) -> None:
        """A writer's batch is ready unless another writer's batch that it comes after is still to be sent."""
        step = self._next[writer]
        for head in step.after:
            other = self._next.get(head.writer)
            if other is not None and other.number <= head.number and head.writer != writer:
                heapq.heappush(self._waiting.setdefault(head.writer, []), (head.number, writer))
                return
        heapq.heappush(self._ready, (step.stamp, writer))

    def _release(self, writer: WriterId) -> None:
        """A batch of `writer` is sent, or the writer has ended: see who waited for that."""
        waiting, step = self._waiting.get(writer, []), self._next.get(writer)
        while waiting and (step is None or waiting[0][0] < step.number):
            self._schedule(heapq.heappop(waiting)[1])

    def _first(self) -> WriterId:
        """The writer of the oldest batch that is ready. Batches that wait for each other are forged, and go by stamp."""
        if not self._ready:
            self._waiting.clear()
            self._ready = sorted((step.stamp, writer) for writer, step in self._next.items())
        return heapq.heappop(self._ready)[1]


def certificates_for(reader: Reader, batches: Iterable[OpenBatch]) -> tuple[bytes, ...]:
    """The certificates of writers whose first batch is among `batches`: whoever has that one has the certificate."""
    return _certificates(reader, [opened.content for opened in batches if opened.content.number == 1])


def _certificates(reader: Reader, firsts: Iterable[Envelope]) -> tuple[bytes, ...]:
    wanted: dict[CertificateHash, None] = dict.fromkeys(envelope.certificate for envelope in firsts)
    found = [reader.get(Table.CERTIFICATES, certificate) for certificate in wanted]
    return tuple(raw for raw in found if raw is not None)
