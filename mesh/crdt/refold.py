"""Some buckets of the fingerprint made again from the log alone, a little at a time, while the ledger goes on.

Invariant: `step` takes at most about STEP_UNITS small pieces of work; what it returns at the end agrees with the reader of that
very step, whatever was applied since the first.

The fold has an order-free form: of a cell, each line's newest change is live unless it is a restore, a branch that goes on from it
has changed the cell again, or an applied change names it in `over` (a bury's `over` hides and replaces nothing). So lines can be
read one after the other, batches that arrive meanwhile are read when their line's turn comes again, and only the cells of the
wanted buckets are kept in memory. All of the log is read on the way, and each batch is compared with the hash by which its
successor, or the context, names it.
"""

from msgspec import Struct

from mesh.crdt.apply import sibling_of
from mesh.crdt.batch import Kind, OpenBatch, decode_batch, hash_content, reread
from mesh.crdt.cell import Sibling, encode_cell, ranked
from mesh.crdt.damage import Damaged, rows
from mesh.crdt.fingerprint import bucket_of, shift, weigh
from mesh.crdt.keys import batch_key, cell_key, number_of
from mesh.crdt.lines import Line, LineId, Lines, leaves_of
from mesh.crdt.replica import Reader, Table, Write
from mesh.errors import DamagedRow, MalformedMessage
from mesh.ids import Dot, MeshId

STEP_UNITS = 64  # A batch, a change, a cell or a row each count one: 10 to 30 µs, so 2 ms at most.
MISSING_MAX = 4_096  # Of rows that are simply not there; more are found once these are back.
VOID = b"void: "  # How the fate of a batch without effect begins.
PLAIN = (
    Table.CERTIFICATES,
    Table.CONTEXT,
    Table.FORKS,
    Table.FATES,
    Table.BUCKETS,
    Table.META,
    Table.ENDS,
    Table.ENDED,
    Table.ASSUMED,
)  # Read to see whether they can be read.


class Outcome(Struct, frozen=True):
    """What is wrong: rows that can't be read or are not what they should be, and the writes that mend cells and buckets.

    `complete` is false where the log could not be read as a whole; then nothing is said of cells.
    """

    damaged: tuple[Damaged, ...]
    writes: tuple[Write, ...]
    complete: bool


class LiveCell:
    """All that applied batches say of one cell."""

    __slots__ = ("newest", "replaced")

    def __init__(self) -> None:
        self.newest: dict[LineId, Sibling] = {}
        self.replaced: set[Dot] = set()

    def add(self, line: LineId, made: Sibling, over: tuple[Dot, ...]) -> None:
        """Count in a change that stands in `line`."""
        before = self.newest.get(line)
        if before is None or before.dot < made.dot:
            self.newest[line] = made
        if made.kind is not Kind.BURY:
            self.replaced.update(over)

    def live(self, lines: Lines) -> tuple[Sibling, ...]:
        """Its live siblings."""
        passed: dict[LineId, int] = {}  # Up to where a branch that goes on from a line has changed the cell again.
        for name in self.newest:
            for base, before in leaves_of(lines, name).items():
                passed[base] = max(passed.get(base, 0), before)
        newest = (s for name, s in self.newest.items() if s.dot.number > passed.get(name, 0))
        return ranked(s for s in newest if s.kind is not Kind.RESTORE and s.dot not in self.replaced)


class _Progress:
    """How far one line was read: its newest batch that was, and the hash of it."""

    __slots__ = ("hash", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.hash = b""


class Refold:
    """One walk over the replica for some buckets."""

    def __init__(self, mesh: MeshId, buckets: tuple[int, ...]) -> None:
        self.buckets = buckets
        self._mesh = mesh
        self._wanted = frozenset(buckets)
        self._damaged: dict[Damaged, None] = {}
        self._complete = True
        self._stored: dict[bytes, bytes | None] = {}
        self._cells: dict[bytes, LiveCell] = {}
        self._weights: dict[bytes, int] = {}
        self._wrong: dict[bytes, bytes | None] = {}
        self._to_weigh: dict[bytes, None] = {}
        self._lines: Lines = {}
        self._walked: dict[LineId, _Progress] = {}
        self._tables = [*PLAIN, Table.CELLS]
        self._after = b""
        self._began: dict[LineId, int] | None = None  # What was applied when the cells began to be read.

    def step(self, reader: Reader, lines: Lines) -> Outcome | None:
        """Do a little more. The outcome, once there is nothing left to do. `lines` are what `reader` shows."""
        if self._began is None:
            self._began = {name: line.applied.number for name, line in lines.items()}
        self._lines = lines
        if self._tables:
            self._read_rows(reader, self._tables[0])
            return None
        units = self._read_log(reader, lines, STEP_UNITS)
        if units > 0:
            units = self._weigh_cells(reader, units)
        return self._outcome(reader) if units > 0 else None

    def _read_rows(self, reader: Reader, table: Table) -> None:
        left = STEP_UNITS
        for key, row in rows(reader, table, b"", self._after):
            self._after = key
            left -= 1
            if row is None:
                self._note(table, key)
            if table is Table.CELLS and bucket_of(key) in self._wanted:
                self._stored[key] = row
                self._to_weigh[key] = None
            if left == 0:
                return
        self._tables.pop(0)
        self._after = b""

    def _read_log(self, reader: Reader, lines: Lines, units: int) -> int:
        """Read applied batches that were not read yet. Returns the units left: more than 0 only when all were read."""
        for name in sorted(lines):
            walked = self._walked.get(name)
            if walked is None:
                walked = self._walked[name] = _Progress(lines[name].first - 1)
                self._read_held(reader, lines[name])
            if walked.number < lines[name].applied.number:
                units = self._read_chain(reader, lines[name], walked, units)
            if units <= 0:
                return 0
        return units

    def _read_held(self, reader: Reader, line: Line) -> None:
        """See whether the batches behind the applied ones are there. Their number is bounded (fold.HELD_PER_WRITER_MAX)."""
        name, after = line.id, line.applied.number
        tail = rows(reader, Table.BATCHES, name, batch_key(name, after))
        held = {number_of(key): row for key, row in tail if number_of(key) <= line.have.number}
        for number in range(after + 1, min(line.have.number, after + MISSING_MAX) + 1):
            if held.get(number) is None:
                self._miss(name, number)

    def _read_chain(self, reader: Reader, line: Line, walked: _Progress, units: int) -> int:
        name, last = line.id, line.applied.number
        for key, row in rows(reader, Table.BATCHES, name, batch_key(name, walked.number)):
            if number_of(key) > last:
                break
            self._pass_over(name, walked, number_of(key))
            opened = _opened(row)
            if opened is None:
                self._pass_over(name, walked, number_of(key) + 1)
            else:
                self._link(name, walked, opened)
                units -= self._take(reader, opened, line)
            units -= 1
            if units <= 0:
                break
        if units > 0:
            self._pass_over(name, walked, last + 1)
        if walked.number == last and walked.hash not in (b"", line.applied.hash):
            self._miss(name, last)
        return units

    def _pass_over(self, name: LineId, walked: _Progress, number: int) -> None:
        """Note that the batches before `number` which were not read can't be."""
        first = walked.number + 1
        for missing in range(first, min(number, first + MISSING_MAX)):
            self._miss(name, missing)
        if first < number:
            walked.number, walked.hash = number - 1, b""

    def _link(self, name: LineId, walked: _Progress, opened: OpenBatch) -> None:
        """Compare a batch with the one before it. Where they don't fit, that one is asked for by the hash named here."""
        if walked.hash and walked.hash != opened.content.previous:
            self._miss(name, walked.number)
        walked.number, walked.hash = walked.number + 1, opened.hash

    def _take(self, reader: Reader, opened: OpenBatch, line: Line) -> int:
        """Add what a batch does to the wanted cells. Returns how many changes it has."""
        name, number, changes = line.id, self._walked[line.id].number, opened.content.changes
        if self._is_void(reader, batch_key(name, number)):
            return len(changes)
        began = self._began or {}
        for index, change in enumerate(changes):
            key = cell_key(change.record, change.field)
            if bucket_of(key) not in self._wanted:
                continue
            self._cells.setdefault(key, LiveCell()).add(name, sibling_of(opened, index), change.over)
            self._to_weigh[key] = None
            if number > began.get(name, 0):
                self._stored.pop(key, None)  # It may have moved since it was read.
        return len(changes)

    def _is_void(self, reader: Reader, key: bytes) -> bool:
        try:
            return (reader.get(Table.FATES, key) or b"").startswith(VOID)
        except DamagedRow:
            self._note(Table.FATES, key)
            self._complete = False
            return False

    def _weigh_cells(self, reader: Reader, units: int) -> int:
        """Compare cells that were not compared since they last moved. Returns the units left."""
        while self._to_weigh and units > 0:
            key, _ = self._to_weigh.popitem()
            units -= 1
            if key not in self._stored:
                self._stored[key] = _row_of(reader, key)
            cell = self._cells[key].live(self._lines) if key in self._cells else ()
            row = encode_cell(cell) if cell else None
            self._weights[key] = sum(weigh(self._mesh, key, encode_cell((sibling,))) for sibling in cell)
            self._wrong.pop(key, None)
            if self._stored[key] != row or Damaged(Table.CELLS, key) in self._damaged:
                self._wrong[key] = row
        return units

    def _outcome(self, reader: Reader) -> Outcome:
        if not self._complete:
            return Outcome(tuple(self._damaged), (), complete=False)
        writes = [Write(Table.CELLS, key, row) for key, row in sorted(self._wrong.items())]
        sums = dict.fromkeys(self.buckets, 0)
        for key, weight in self._weights.items():
            sums[bucket_of(key)] += weight
        for bucket, total in sums.items():
            row = shift(None, total)
            if _bucket_row(reader, bucket) != row:
                writes.append(Write(Table.BUCKETS, bytes([bucket]), row))
        return Outcome(tuple(self._damaged), tuple(writes), complete=True)

    def _miss(self, name: LineId, number: int) -> None:
        self._note(Table.BATCHES, batch_key(name, number))
        self._complete = False

    def _note(self, table: Table, key: bytes) -> None:
        self._damaged[Damaged(table, key)] = None


def _opened(row: bytes | None) -> OpenBatch | None:
    """A batch of the log; None where its bytes can't be one."""
    if row is None:
        return None
    try:
        batch = decode_batch(row)
        return OpenBatch(batch, hash_content(batch.content), reread(batch))
    except MalformedMessage:
        return None


def _row_of(reader: Reader, key: bytes) -> bytes | None:
    try:
        return reader.get(Table.CELLS, key)
    except DamagedRow:
        return None


def _bucket_row(reader: Reader, bucket: int) -> bytes | None:
    """A bucket as it is stored; None where it can't be read. One that was never moved is zero."""
    try:
        return reader.get(Table.BUCKETS, bytes([bucket])) or shift(None, 0)
    except DamagedRow:
        return None
