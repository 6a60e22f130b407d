"""What an end touches, found in the log a few rows at a time, so that applying it takes as long as what it takes is large.

Invariant: a look changes nothing. What it has found is believed only as far as the log stands as it was: rows that came since are
read when the end is applied, and where a fate has changed, or a cell is touched that was not looked for, all of it is read again.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from mesh.crdt.apply import sibling_of
from mesh.crdt.batch import OpenBatch, decode_batch, hash_content, open_batch, reread
from mesh.crdt.branches import Tree
from mesh.crdt.ends import End
from mesh.crdt.fates import keys_of
from mesh.crdt.keys import batch_key, cell_key, number_of
from mesh.crdt.lines import Context, LineId
from mesh.crdt.refold import LiveCell
from mesh.crdt.replica import Reader, Table
from mesh.errors import MalformedMessage
from mesh.ids import Head, MeshId

NAMES_MAX = 8  # So many records are looked for in a row's bytes before it is decoded.
ROW_WORK = 256  # Bytes: what the row itself costs, beside its length.
NO_END = 1 << 63  # More than any number or log.
PASSES_MAX = 3  # So often the log is read because the ended writer has touched further cells meanwhile.


class Sight(Struct, frozen=True):
    """What is looked at: a state, the branches in it, and how far everything counts."""

    mesh: MeshId
    reader: Reader
    tree: Tree
    context: Context


def cuts_of(tree: Tree, context: Context, end: End) -> dict[LineId, int]:
    """The lines that hold a batch which an end takes, and from which number on."""
    family = context.family(end.writer)
    cuts: dict[LineId, int] = {}
    if end.branch:
        line = tree.find(end.writer, end.number + 1, end.branch)
        if line is None or (end.number and tree.head_at(line, end.number).hash != end.hash):
            return {}
        cuts[line.id] = end.number + 1
    elif end.number == 0:
        return {line.id: line.first for line in family}
    else:
        line = tree.find(end.writer, end.number, end.hash)
        if line is None:
            return {}
        cuts[line.id] = end.number + 1
    for other in family:  # Each behind the one that it leaves.
        if other.leaves is None or other.id in cuts:
            continue
        base, before = other.leaves
        inside = base in cuts and before >= cuts[base]
        if inside or (not end.branch and (base, before) == (line.id, end.number)):
            cuts[other.id] = other.first
    return {name: number for name, number in cuts.items() if number <= context.lines[name].have.number}


def reopen(row: bytes, mesh: MeshId) -> OpenBatch:
    """The batch in a row of the log, which was checked when it came in."""
    batch = decode_batch(row)
    try:
        return OpenBatch(batch, hash_content(batch.content), reread(batch))
    except MalformedMessage:  # Held, because newer rules wrote it.
        return open_batch(batch, mesh)


class Touched(Struct, frozen=True):
    """A batch, and the keys of the cells that it changes."""

    head: Head
    cells: list[bytes]


def touched_by(row: bytes, mesh: MeshId) -> Touched:
    """The batch in a row of the log, which was checked when it came in."""
    opened = reopen(row, mesh)
    return Touched(opened.head, cells_of(opened))


def cells_of(opened: OpenBatch) -> list[bytes]:
    """The keys of the cells that a batch changes; none where it can have no effect."""
    keys = keys_of(opened.content.changes)
    return keys if isinstance(keys, list) else []


class Look:
    """Looks for what an end takes, and for everything that was ever written into the cells that it touches."""

    def __init__(self, end: End) -> None:
        self.end = end
        self.cells: dict[bytes, LiveCell] = {}
        self._reached: dict[LineId, int] = {}  # How far each line was read for these cells.
        self._taken: dict[bytes, Touched] = {}  # By their keys in BATCHES.
        self._found: dict[bytes, None] = {}  # The cells that they change.
        self._ended: dict[LineId, int] = {}  # How far each line was read for what is taken.
        self._wanted: dict[bytes, None] = {}
        self._few: list[bytes] | None = []
        self._counts: dict[
            bool, dict[bytes, None]
        ] = {}  # Rows that change a wanted cell: those that count, and void ones.
        self._passes = 0

    def step(self, sight: Sight, work: int) -> int:
        """Read about so many bytes. How many are left of them: more than none where there is nothing more to find."""
        if sight.tree.is_forked(self.end.writer):
            return work  # Applying it may move batches from line to line; then all is read once that is done.
        cuts = cuts_of(sight.tree, sight.context, self.end)
        for name, cut in cuts.items():
            work = self._look_for_taken(sight, name, cut, work)
        if work > 0 and len(self._wanted) < len(self._found) and self._passes < PASSES_MAX:
            self._wanted, self._passes = dict(self._found), self._passes + 1
            self._few = few_names(self._wanted)
            self.cells, self._reached, self._counts = {}, {}, {True: {}, False: {}}
        for name in sorted(sight.context.lines) if self._wanted else ():
            last = min(sight.context.lines[name].applied.number, cuts.get(name, NO_END) - 1)
            work = self._look_into(sight, name, last, work)
        return work

    def _look_for_taken(self, sight: Sight, name: LineId, cut: int, work: int) -> int:
        reached = max(cut - 1, self._ended.get(name, 0))
        for key, row in sight.reader.scan(Table.BATCHES, name, batch_key(name, reached)) if work > 0 else ():
            self._taken[key] = touched = touched_by(row, sight.mesh)
            self._found.update(dict.fromkeys(touched.cells))
            self._ended[name] = number_of(key)
            work -= len(row) + ROW_WORK
            if work <= 0:
                break
        return work

    def _look_into(self, sight: Sight, name: LineId, last: int, work: int) -> int:
        reached = self._reached.get(name, 0)
        if reached >= last or work <= 0:
            return work
        few = self._few
        for key, row in sight.reader.scan(Table.BATCHES, name, batch_key(name, reached)):
            if number_of(key) > last:
                break
            if few is None or any(one in row for one in few):
                self._take(sight.reader, key, row)
            self._reached[name] = number_of(key)
            work -= len(row) + ROW_WORK
            if work <= 0:
                break
        return work

    def _take(self, reader: Reader, key: bytes, row: bytes) -> None:
        counted = count_row(reader, self._wanted, self.cells, (key, row))
        if counted is not None:
            self._counts[counted][key] = None

    def touched(self, key: bytes, row: bytes, mesh: MeshId) -> Touched:
        """A taken batch, by its key and row."""
        found = self._taken.get(key)
        return found if found is not None else touched_by(row, mesh)

    def finish(self, sight: Sight, wanted: Mapping[bytes, None]) -> dict[bytes, LiveCell] | None:
        """All that counts in the wanted cells, once what is taken is gone; None where what was found does not stand any more."""
        if not wanted.keys() <= self._wanted.keys():
            return None
        voids = dict(sight.reader.scan(Table.FATES))
        if wanted and (
            any(key in self._counts[True] for key in voids) or not self._counts[False].keys() <= voids.keys()
        ):
            return None
        for name in sorted(sight.context.lines):
            self._look_into(sight, name, sight.context.lines[name].applied.number, NO_END)
        return self.cells


def few_names(wanted: Iterable[bytes]) -> list[bytes] | None:
    """The names of the records of these cells, where they are few enough to be looked for in a row's bytes."""
    names = list(dict.fromkeys(key.split(b"\0", 2)[1] for key in wanted))
    return names if len(names) <= NAMES_MAX else None


def count_row(
    reader: Reader, wanted: Mapping[bytes, None], cells: dict[bytes, LiveCell], place: tuple[bytes, bytes]
) -> bool | None:
    """Count an applied row of the log, given with its key, into the wanted cells.

    False where it is void, None where it changes none of them.
    """
    row_key, row = place
    batch = decode_batch(row)
    content = reread(batch)  # It was opened and checked when it was applied; most are not about these cells.
    keys = [cell_key(change.record, change.field) for change in content.changes]
    if wanted.keys().isdisjoint(keys):
        return None
    if reader.get(Table.FATES, row_key) is not None:
        return False
    opened = OpenBatch(batch, hash_content(batch.content), content)
    name = LineId(row_key[:16])
    for index, key in enumerate(keys):
        if key in wanted:
            cells.setdefault(key, LiveCell()).add(name, sibling_of(opened, index), content.changes[index].over)
    return True


def read_cells(sight: Sight, wanted: Mapping[bytes, None]) -> dict[bytes, LiveCell]:
    """All that counts in these cells, from the whole log."""
    cells: dict[bytes, LiveCell] = {}
    few = few_names(wanted)
    for key, row in _rows(sight):
        if few is None or any(one in row for one in few):
            count_row(sight.reader, wanted, cells, (key, row))
    return cells


def _rows(sight: Sight) -> Iterator[tuple[bytes, bytes]]:
    """The applied rows of the log."""
    for name in sorted(sight.context.lines):
        last = sight.context.lines[name].applied.number
        for key, row in sight.reader.scan(Table.BATCHES, name):
            if number_of(key) > last:
                break
            yield key, row
