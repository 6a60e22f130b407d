"""Whether a replica is what its log says: everything is folded again from the batches, and compared with what is stored.

Invariant: nothing is believed but signed bytes; what is compared was made here, in an empty replica, by the fold that peers use.
"""

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

import msgspec
from msgspec import Struct

from mesh.crdt.batch import OpenBatch, decode_batch, open_batch
from mesh.crdt.branches import branch_id
from mesh.crdt.damage import Tolerant
from mesh.crdt.differences import DERIVED, Difference, compare, place_of
from mesh.crdt.ends import decode_signed
from mesh.crdt.fingerprint import read_fingerprint
from mesh.crdt.fold import Blocked, Fold, Place
from mesh.crdt.keys import number_of
from mesh.crdt.lines import Context, LineId
from mesh.crdt.overlay import Overlay
from mesh.crdt.quota import UNLIMITED, Quota
from mesh.crdt.replica import MemoryReplica, Reader, Table
from mesh.errors import MalformedMessage
from mesh.ids import NO_BATCH, BatchHash, CertificateHash, MeshId, short
from mesh.security.trust import Trust

DIFFERENCES_MAX = 1000  # A person reads the first few; the number of all tells the rest.
SLICE_BATCHES = 256  # So many batches go into one fold, and between two words about progress.
BATCH_KEY_BYTES = 24
FITTING, FLIPPED = "a row that fits its check", "a damaged one: a bit flipped on the disk"

_UNREADABLE = (MalformedMessage, msgspec.MsgspecError, UnicodeError)

Progress = Callable[[int, int], None]
"""Hears how many batches are done, of how many."""


class Report(Struct, frozen=True):
    """What was found. `differences` are the first of `found`; `fingerprint` is the one that the log gives."""

    batches: int
    writers: int
    cells: int
    fingerprint: str
    differences: tuple[Difference, ...]
    found: int

    @property
    def is_whole(self) -> bool:
        """Whether the replica is exactly what its log says."""
        return self.found == 0


def verify_replica(reader: Reader, mesh: MeshId, trust: Trust, progress: Progress | None = None) -> Report:
    """Check every certificate, chain, context and signature in the log, fold it anew, and compare all that follows from it."""
    stored = Tolerant(reader)
    refold = _Refold(stored, mesh, trust)
    refold.run(progress or _quiet)
    made = refold.made
    compared = [difference for table in DERIVED for difference in compare(table, made, stored)]
    flipped = [Difference(table, place_of(table, key), FITTING, FLIPPED) for table, key in stored.damaged]
    known = {(difference.table, difference.place) for difference in flipped}
    differences = _Some()
    differences.add_all(flipped)
    differences.add_all(refold.faults)
    differences.add_all([d for d in compared if (d.table, d.place) not in known])
    return Report(
        batches=refold.seen,
        writers=refold.writers,
        cells=sum(1 for _ in made.scan(Table.CELLS)),
        fingerprint=read_fingerprint(made),
        differences=tuple(differences.kept),
        found=differences.count,
    )


def refold_replica(reader: Reader, mesh: MeshId, trust: Trust) -> tuple[MemoryReplica, bool]:
    """All that follows from the log, made again; and whether the log could be read as a whole."""
    stored = Tolerant(reader)
    refold = _Refold(stored, mesh, trust)
    refold.run(_quiet)
    in_log = any(table in (Table.BATCHES, Table.CERTIFICATES) for table, _ in stored.damaged)
    return refold.made, not in_log and not refold.faults


def _quiet(done: int, total: int) -> None:
    """No progress is shown."""


class _Some:
    """The first differences, and how many there are."""

    def __init__(self) -> None:
        self.kept: list[Difference] = []
        self.count = 0

    def add_all(self, more: list[Difference]) -> None:
        for difference in more:
            self.count += 1
            if self.count <= DIFFERENCES_MAX:
                self.kept.append(difference)


class _Refold:
    """The log of `reader`, folded into an empty replica; a writer's batches as far as its chain holds."""

    def __init__(self, reader: Reader, mesh: MeshId, trust: Trust) -> None:
        self.made = MemoryReplica()
        self.faults: list[Difference] = []
        self.seen = 0
        self.writers = 0
        self._log = reader
        self._mesh = mesh
        self._trust = trust
        self._overlay = Overlay(self.made)
        self._blocked: Blocked = {}
        self._context = Context({})
        self._branches: frozenset[BatchHash] = frozenset()
        self._ticket = 0

    def run(self, progress: Progress) -> None:
        """Fold all there is. Writers take turns in order of their stamps, so that next to nothing has to be held."""
        self._copy_certificates()
        self._copy_ends()
        lines, total = self._survey()
        turns = self._turns(lines)
        while self._fold_slice(turns):
            progress(self.seen, total)

    def _fold_slice(self, turns: Iterator[OpenBatch]) -> bool:
        before = self.seen
        with self._folding() as fold:
            for opened in islice(turns, SLICE_BATCHES):
                self._admit(fold, opened)
        return self.seen > before

    @contextmanager
    def _folding(self) -> Iterator[Fold]:
        self._ticket += 1
        place = Place(
            self._mesh, self._trust, self._overlay, self._context, self._blocked, Quota(UNLIMITED), self._branches
        )
        with self._overlay.read() as reader:
            fold = Fold(place, reader, self._ticket)
            yield fold
            fold.finish()
        self.made.write(self._overlay.writes(self._ticket))
        self._overlay.stored(self._ticket)

    def _copy_certificates(self) -> None:
        with self._folding() as fold:
            for key, raw in self._log.scan(Table.CERTIFICATES):
                place = f"certificate {short(key)}"
                try:
                    known = self._trust.read_certificate(raw)
                except MalformedMessage as error:
                    self._fault(place, "a certificate of this mesh", str(error), Table.CERTIFICATES)
                    continue
                if known.hash != CertificateHash(key):
                    self._fault(place, "the certificate with this hash", f"{short(known.hash)}", Table.CERTIFICATES)
                    continue
                fold.admit_certificate(raw)

    def _copy_ends(self) -> None:
        with self._folding() as fold:
            for key, row in self._log.scan(Table.ENDS):
                try:
                    fold.admit_end(decode_signed(row))
                except MalformedMessage as error:
                    self._fault(f"end {short(key)}", "an end that the mesh's admin signed", str(error), Table.ENDS)

    def _survey(self) -> tuple[list[LineId], int]:
        """The lines in the log, and how many rows it has. Takes note of what is a branch of a writer."""
        lines: list[LineId] = []
        firsts: list[BatchHash] = []
        total = 0
        for key, row in self._log.scan(Table.BATCHES):
            total += 1
            if len(key) != BATCH_KEY_BYTES:
                self._fault(f"key {key.hex()}", "a writer and a number", f"{len(key)} bytes")
            elif not lines or lines[-1] != key[:16]:
                lines.append(LineId(key[:16]))
                firsts += self._first_of_branch(lines[-1], row)
        self._branches = frozenset(firsts)
        self.writers = len(lines) - len(firsts)
        return lines, total

    def _first_of_branch(self, line: LineId, row: bytes) -> list[BatchHash]:
        try:
            opened = open_batch(decode_batch(row), self._mesh)
        except _UNREADABLE:
            return []  # Said where the line is read.
        return [opened.hash] if branch_id(opened.content.writer, opened.hash) == line else []

    def _turns(self, lines: list[LineId]) -> Iterator[OpenBatch]:
        """All batches; a line whose newest is held waits until the others can't help it any more, a branch for its base."""
        heads: list[_Turn] = []
        branches: dict[bytes, list[_Turn]] = {}
        for line in lines:
            chain = self._chain(line)
            if (opened := next(chain, None)) is None:
                continue
            turn = _Turn(line, chain, opened)
            if opened.content.writer == line:
                heads.append(turn)
            else:  # Behind its predecessor; or behind the writer's first batch, where it is another first one.
                before = opened.content.previous if opened.content.number > 1 else opened.content.writer
                branches.setdefault(before, []).append(turn)
        yield from self._in_turn(heads, branches)
        for turn in (turn for turns in branches.values() for turn in turns):
            place = _place(turn.line, turn.opened.content.number)
            self._fault(place, f"predecessor {short(turn.opened.content.previous)}", "no such batch of its writer")

    def _in_turn(self, heads: "list[_Turn]", branches: "dict[bytes, list[_Turn]]") -> Iterator[OpenBatch]:
        heapq.heapify(heads)
        parked: list[_Turn] = []
        while heads or parked:
            if not heads:
                heads, parked = parked, []
                heapq.heapify(heads)
            turn = heapq.heappop(heads)
            yield turn.opened
            content = turn.opened.content
            parked += branches.pop(turn.opened.hash, [])
            parked += branches.pop(content.writer, []) if content.number == 1 else []
            if following := next(turn.chain, None):
                parked.append(_Turn(turn.line, turn.chain, following))
            for ready in [turn for turn in parked if turn.line not in self._blocked]:
                parked.remove(ready)
                heapq.heappush(heads, ready)

    def _chain(self, line: LineId) -> Iterator[OpenBatch]:
        """The batches of a line up to the first that cannot be read or does not follow on the one before."""
        number, previous, writer = 0, NO_BATCH, line
        for key, row in self._log.scan(Table.BATCHES, line):
            if len(key) != BATCH_KEY_BYTES:
                continue
            number += 1
            place = _place(line, number)
            try:
                opened = open_batch(decode_batch(row), self._mesh)
            except _UNREADABLE as error:
                self._fault(place, "a batch of this mesh", str(error))
                return
            if number == 1 and opened.hash in self._branches:
                number, previous, writer = number_of(key), opened.content.previous, opened.content.writer
                place = _place(line, number)
            if number_of(key) != number:
                self._fault(place, f"batch {number}", f"a gap: the next one here is batch {number_of(key)}")
                return
            if (opened.content.writer, opened.content.number) != (writer, number):
                self._fault(place, "the batch that its key names", _place(opened.content.writer, opened.content.number))
                return
            if opened.content.previous != previous:
                self._fault(place, f"predecessor {short(previous)}", f"predecessor {short(opened.content.previous)}")
                return
            previous = opened.hash
            yield opened

    def _admit(self, fold: Fold, opened: OpenBatch) -> None:
        """Fold one batch; the fold checks its signature. Those behind a refused one leave a gap, and are passed over."""
        self.seen += 1
        try:
            fold.admit(opened)
        except MalformedMessage as error:
            self._fault(_place(opened.content.writer, opened.content.number), "a signed batch", str(error))

    def _fault(self, place: str, expected: str, found: str, table: Table = Table.BATCHES) -> None:
        self.faults.append(Difference(table, place, expected, found))


class _Turn:
    """A writer's next batch. Earlier stamps go first; the writer decides between equal ones."""

    def __init__(self, line: LineId, chain: Iterator[OpenBatch], opened: OpenBatch) -> None:
        self.line = line
        self.chain = chain
        self.opened = opened
        self._rank = (opened.content.stamp, line)

    def __lt__(self, other: "_Turn") -> bool:
        return self._rank < other._rank


def _place(writer: LineId, number: int) -> str:
    return f"batch {number} of writer {writer.hex()}"
