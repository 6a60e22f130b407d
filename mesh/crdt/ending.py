"""Taking an end's batches out of a replica, as if they had never come (DESIGN §5, Ends).

Invariant: afterwards the log, its lines and the touched cells are what a replica has that knew the end before any batch came;
what was taken stands in ENDED, for people, and counts nowhere.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from msgspec import Struct

from mesh.crdt.apply import weight_of_change
from mesh.crdt.batch import OpenBatch, decode_batch, open_batch
from mesh.crdt.branches import Tree
from mesh.crdt.cell import decode_cell, encode_cell
from mesh.crdt.effects import Emit, Fact
from mesh.crdt.ends import End
from mesh.crdt.fates import Void, judge
from mesh.crdt.keys import batch_key, number_of
from mesh.crdt.lines import Branch, Context, Line, LineId
from mesh.crdt.looking import Look, Sight, cells_of, cuts_of, read_cells
from mesh.crdt.refold import LiveCell
from mesh.crdt.replica import Reader, Table, Write
from mesh.ids import NO_BATCH, Dot, Head, MeshId, RecordId, WriterId

VOID = b"void: "
ASSUMED = b"\1"  # All that a row of ASSUMED says stands in its key.

Place = tuple[LineId, int]


class Bench(Protocol):
    """What the surgery is done on: a fold under way."""

    @property
    def reader(self) -> Reader:
        """The state that the end is applied to, with what the fold has put so far."""
        ...

    @property
    def tree(self) -> Tree:
        """The batches of writers as trees."""
        ...

    @property
    def context(self) -> Context:
        """What is held and applied of every writer."""
        ...

    @property
    def mesh(self) -> MeshId:
        """Whose ledger it is."""
        ...

    def put(self, write: Write) -> None:
        """Add one write to the fold's ticket."""
        ...

    def move(self, line: Line) -> None:
        """Replace what is known of one line."""
        ...

    def drop(self, name: LineId) -> None:
        """Forget a line."""
        ...

    def shift(self, cell_key: bytes, by: int) -> None:
        """Move the bucket of the fingerprint that a cell is in."""
        ...


def apply_end(bench: Bench, end: End, look: Look | None = None) -> Emit:
    """Take out what an end takes, and make again what that changes. Batches that waited for it are still to be tried.

    `look` is what was found of that before.
    """
    look = look or Look(end)
    whole = bench.tree.is_forked(end.writer)  # Then batches may move from line to line.
    taken = take_out(bench, end, look)
    rejudge_voids(bench, taken)
    found = None if whole else look.finish(_sight(bench), taken.cells)
    refold_cells(bench, taken.cells, found)
    told: dict[str, Fact] = {"writer": end.writer.hex(), "number": end.number, "author": end.author}
    told |= {"reason": end.reason, "batches": len(taken.batches), "records": len(records_of(taken.cells))}
    return Emit("ledger.ended", told)


class Taken(Struct):
    """What an end took: batches by (writer, number, mark), and the cells that they changed."""

    batches: dict[tuple[WriterId, int, bytes], None] = {}
    cells: dict[bytes, None] = {}


def _sight(bench: Bench) -> Sight:
    return Sight(bench.mesh, bench.reader, bench.tree, bench.context)


def take_out(bench: Bench, end: End, look: Look) -> Taken:
    """Move what an end takes from the log to ENDED, and cut the lines. The touched cells are left as they are."""
    taken = Taken({}, {})
    cuts = cuts_of(bench.tree, bench.context, end)
    lines = {name: bench.context.lines[name] for name in cuts}
    kept = {name: _shortened(bench, lines[name], number) for name, number in cuts.items()}
    for name, number in cuts.items():
        _take_rows(bench, lines[name], (number, look), taken)
    for name, line in kept.items():
        if line is not None:
            bench.move(line)
        elif lines[name].branch is not None:
            bench.drop(name)
        else:
            nothing = Head(end.writer, 0, NO_BATCH)
            bench.move(Line(nothing, nothing, 0, lines[name].key))
    if cuts:
        _join(bench, end.writer)
    return taken


def _shortened(bench: Bench, line: Line, cut: int) -> Line | None:
    """A line without its batches from `cut` on; None where it has no others."""
    if cut <= line.first:
        return None
    tip = bench.tree.head_at(line, cut - 1)
    if line.applied.number < cut:
        return Line(tip, line.applied, line.stamp, line.key, line.branch)
    return Line(tip, tip, bench.tree.newest_stamp(line, cut - 1), line.key, line.branch)


def _take_rows(bench: Bench, line: Line, part: tuple[int, Look], taken: Taken) -> None:
    cut, look = part
    for key, row in list(bench.reader.scan(Table.BATCHES, line.id, batch_key(line.id, cut - 1))):
        number = number_of(key)
        touched = look.touched(key, row, bench.mesh)
        fate = bench.reader.get(Table.FATES, key)
        bench.put(Write(Table.ENDED, ended_key(touched.head), row))
        bench.put(Write(Table.BATCHES, key, None))
        if fate is not None:
            bench.put(Write(Table.FATES, key, None))
        taken.batches[line.have.writer, number, touched.head.hash[:8]] = None
        if number <= line.applied.number and fate is None:
            taken.cells.update(dict.fromkeys(touched.cells))


def ended_key(head: Head) -> bytes:
    """The key of a batch in ENDED."""
    return head.writer + head.number.to_bytes(8, "big") + head.hash


def _join(bench: Bench, writer: WriterId) -> None:
    """Let each line go on with a branch that leaves it at its tip, as if that had come first; forget an empty one."""
    while (pair := _pair(bench.context, writer)) is not None:
        base, branch = pair
        for table in (Table.BATCHES, Table.FATES):
            for key, row in list(bench.reader.scan(table, branch.id)):
                bench.put(Write(table, key, None))
                bench.put(Write(table, batch_key(base.id, number_of(key)), row))
        bench.drop(branch.id)
        newer = branch if branch.has_applied else base
        bench.move(Line(branch.have, newer.applied, newer.stamp, base.key, base.branch))
        for other in bench.context.family(writer):
            if other.branch is not None and other.branch.base == branch.id:
                moved = Branch(other.branch.line, base.id, other.branch.fork)
                bench.move(Line(other.have, other.applied, other.stamp, other.key, moved))
    for line in bench.context.family(writer):
        if line.have.number == 0:
            bench.drop(line.id)


def _pair(context: Context, writer: WriterId) -> tuple[Line, Line] | None:
    family = context.family(writer)
    for branch in family:
        if branch.leaves is not None:
            base = context.lines[branch.leaves[0]]
            if base.have.number == branch.leaves[1]:
                return base, branch
    return None


def rejudge_voids(bench: Bench, taken: Taken) -> None:
    """Judge those void batches again that name a taken one: what it said counts for nothing now."""
    for key, fate in list(bench.reader.scan(Table.FATES)):
        if not fate.startswith(VOID) or (row := bench.reader.get(Table.BATCHES, key)) is None:
            continue
        opened = open_batch(decode_batch(row), bench.mesh)
        dots = (dot for change in opened.content.changes for dot in change.over)
        if any((dot.writer, dot.number, dot.mark) in taken.batches for dot in dots):
            rejudge(bench, (LineId(key[:16]), number_of(key)), opened, taken)


def rejudge(bench: Bench, place: Place, opened: OpenBatch, taken: Taken) -> None:
    """Give an applied or void batch its fate again, and note its cells."""
    name, number = place
    line = bench.context.lines[name]
    stamp = bench.tree.newest_stamp(line, number - 1)
    applied = Head(opened.content.writer, number - 1, opened.content.previous)
    before = Line(line.have, applied, stamp, line.key, line.branch)
    verdict = judge(bench.reader, bench.tree, bench.mesh, opened, before)
    fate = f"void: {verdict.reason}".encode() if isinstance(verdict, Void) else None
    if bench.reader.get(Table.FATES, key := batch_key(name, number)) != fate:
        bench.put(Write(Table.FATES, key, fate))
    taken.cells.update(dict.fromkeys(cells_of(opened)))


def refold_cells(bench: Bench, keys: Iterable[bytes], found: Mapping[bytes, LiveCell] | None = None) -> int:
    """Make cells again from the log, or from what was `found` there. Returns how many differ now."""
    wanted = dict.fromkeys(keys)
    if not wanted:
        return 0
    cells = found if found is not None else read_cells(_sight(bench), wanted)
    moved = 0
    for key in wanted:
        before = decode_cell(bench.reader.get(Table.CELLS, key))
        after = cells[key].live(bench.context.lines) if key in cells else ()
        if after != before:
            moved += 1
            bench.put(Write(Table.CELLS, key, encode_cell(after) if after else None))
            bench.shift(key, weight_of_change(bench.mesh, key, before, after))
    return moved


# ---- what was applied on the word of an end


def assume(bench: Bench, opened: OpenBatch) -> None:
    """Note which batches an applied one did not wait for, because an end may have taken them."""
    if not bench.context.ends:
        return
    content = opened.content
    needs = [Dot(head.writer, head.number, 0, head.hash[:8]) for head in content.after]
    needs += [dot for change in content.changes for dot in change.over]
    for need in needs:
        if need.writer == content.writer and need.number >= content.number:
            continue
        if bench.tree.is_gone(need.writer, need.number, need.mark):
            named = need.writer + need.number.to_bytes(8, "big") + need.mark
            if next(bench.reader.scan(Table.ENDED, named), None) is None:
                bench.put(Write(Table.ASSUMED, named + ended_key(opened.head), ASSUMED))


def correct(bench: Bench, opened: OpenBatch) -> None:
    """A batch is applied that others did not wait for, since an end might have taken it; it had not. They are judged again."""
    content = opened.content
    named = content.writer + content.number.to_bytes(8, "big") + opened.hash[:8]
    early = [key for key, _ in bench.reader.scan(Table.ASSUMED, named)]
    if not early:
        return
    taken = Taken({}, dict.fromkeys(cells_of(opened)))
    for key in early:
        bench.put(Write(Table.ASSUMED, key, None))
        writer, number, wanted = WriterId(key[32:48]), int.from_bytes(key[48:56], "big"), key[56:]
        line = bench.tree.find(writer, number, wanted)
        if line is None or number > line.applied.number:
            continue
        row = bench.reader.get(Table.BATCHES, batch_key(line.id, number))
        if row is not None:
            rejudge(bench, (line.id, number), open_batch(decode_batch(row), bench.mesh), taken)
    refold_cells(bench, taken.cells)


def records_of(keys: Iterable[bytes]) -> list[RecordId]:
    """The records of cells, each once."""
    parts = (key.decode().split("\0", 2) for key in keys)
    return list(dict.fromkeys(RecordId(collection, record) for collection, record, _ in parts))
