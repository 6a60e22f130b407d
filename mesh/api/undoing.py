"""Undo: what one author wrote in a window is taken back, in batches of one intent.

Invariant: each batch is planned over what this peer shows and made only if that is still so; a batch that was overtaken is planned
again, and what is done stays done: asked again with the same window and intent, an undo goes on where it ended.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from datetime import UTC, datetime

from msgspec import Struct

from mesh.api.conflicts import KINDS
from mesh.api.past import present, read_moment
from mesh.api.reading import Position
from mesh.api.undo_shapes import KeptRow, Piece, UndoAnswer, UndoRow, UndoWindow
from mesh.api.walking import run, walk
from mesh.api.writing import ANONYMOUS
from mesh.crdt.batch import Kind, decode_batch, reread
from mesh.crdt.cell import Sibling
from mesh.crdt.clock import COUNTER_BITS, SKEW_MS_MAX, seconds_of, stamp_of
from mesh.crdt.compose import Overtaken, TakeBack
from mesh.crdt.cut import last_stamp
from mesh.crdt.history import Made, Place, made_in
from mesh.crdt.lines import read_lines
from mesh.crdt.replica import Reader
from mesh.crdt.undo import Kept, Marks, Plan, Step, by_author, planning, with_intent
from mesh.crdt.view import value_of
from mesh.errors import MeshError, Refused, UsageError
from mesh.ids import RecordId
from mesh.model.collections import validate
from mesh.model.fields import unflatten
from mesh.model.naming import check_collection, check_key
from mesh.runtime.node import Node

RECORDS_MAX = 50_000  # Ten times a real site, twice over; a larger undo is made by collection or prefix.
BATCH_CHANGES = 32  # Of several records: so many are composed in less than a slice.
BATCH_CHANGES_MAX = 128  # Of one record, whose changes stay together where they can. Half of what a batch may hold.
BATCH_BYTES_MAX = 40 * 1024  # Of the 64 KiB that a batch may have.
STEP_BYTES, SEEN_BYTES = 160, 48  # Beside its value and names: what a change and each dot in it take.
FOLDED_BYTES_MAX = 256 * 1024 * 1024  # Of changes that one plan holds in memory.
CHANGE_BYTES, DOT_BYTES = 1_000, 200  # About what a change and a dot take as Python objects.
ROUNDS_MAX = 8  # How often a batch is planned again because others write in the same place.

Marked = Callable[[Made], bool]


class _Window(Struct, frozen=True):
    """An undo as it is carried out."""

    params: UndoWindow
    since: float
    until: float
    intent: str

    @property
    def taken(self) -> Marked:
        return by_author(self.params.whose, stamp_of(self.since), last_stamp(self.until))

    @property
    def about(self) -> dict[str, str]:
        said = f"undo of what {self.params.whose} wrote from {_iso(self.since)} to {_iso(self.until)}"
        return {"reason": self.params.reason or said, "intent": self.intent}

    def concerns(self, record: RecordId) -> bool:
        """Whether the undo is about this record."""
        params = self.params
        return (
            (not params.collection or record.collection == params.collection)
            and record.key.startswith(params.prefix)
            and (not params.key or record.key == params.key)
        )


async def undo(node: Node, params: UndoWindow) -> UndoAnswer:
    """Take back what an author wrote in a window, or show what that would do. Raises UsageError, Refused."""
    window = _window(node, params)
    plans = await _plans(node, window, await _touched(node, window))
    doing = _Doing(node, window, plans)
    if not params.preview:
        await doing.carry_out()
    return doing.answer()


def _window(node: Node, params: UndoWindow) -> _Window:
    if not params.whose:
        raise UsageError("an author was expected", field="whose", rule="a name", todo="name whose writes to take back")
    if (params.prefix or params.key) and not params.collection:
        raise UsageError("keys are those of a collection", field="collection", rule="given with a key", todo="name it")
    since, until = _time(params.since, "since"), _time(params.until, "until")
    until = min(
        until, _present_moment(node)
    )  # What comes later, also by this author, and this undo itself, is not in it.
    if since > until:
        raise UsageError(
            f"the window ends before it begins: {_iso(since)} to {_iso(until)}",
            field="since",
            rule="since is before until, and not in the future",
            todo="exchange the two",
        )
    where = " ".join(part for part in (params.collection, params.key or params.prefix) if part)
    intent = params.intent or f"undo {params.whose} {since:.3f} {until:.3f} {where}"[:256].rstrip()
    return _Window(params, since, until, intent)


def _present_moment(node: Node) -> float:
    """Now, or the newest stamp here where a clock that may be followed is ahead of ours."""
    now = node.loop.clock.now()
    bound = stamp_of(now) + (SKEW_MS_MAX << COUNTER_BITS)
    with node.read() as reader:
        stamps = [line.stamp for line in read_lines(reader).values()]
    return max([now, *(seconds_of(stamp) for stamp in stamps if stamp <= bound)])


def _time(given: str | float, field: str) -> float:
    moment = read_moment(given)
    if isinstance(moment, str):
        raise UsageError(
            f"a time was expected, {moment[:80]!r} came",
            field=field,
            rule="seconds since 1970, or ISO 8601 with an offset",
            todo="write it as in 2026-11-21T09:30:00+01:00",
        )
    return moment


def _iso(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):  # Beyond the year 9999.
        return f"{seconds:.0f}"


async def _touched(node: Node, window: _Window) -> dict[RecordId, None]:
    """The records that the author wrote in the window, in the order of the log."""
    found: dict[RecordId, None] = {}
    whose, first, last = window.params.whose, stamp_of(window.since), last_stamp(window.until)

    def look(reader: Reader, place: Place, row: bytes) -> None:
        if whose.encode() not in row:
            return
        content = reread(decode_batch(row))
        if content.author == whose and first <= content.stamp <= last:
            found.update((one.record, None) for one in content.changes if window.concerns(one.record))
        if len(found) > RECORDS_MAX:
            raise Refused(
                f"{whose} wrote more than {RECORDS_MAX} records in that window",
                rule="one undo is planned in memory",
                todo="take it back by collection, by prefix, or in shorter windows",
            )

    await walk(node, present(node), look)
    return found


async def _plans(node: Node, window: _Window, records: Iterable[RecordId]) -> dict[RecordId, Plan]:
    """What is to be done with each record, as of now."""
    made: dict[RecordId, list[Made]] = {record: [] for record in records}
    await _gather(node, made, present(node))
    marks = Marks(window.taken, with_intent(window.intent), node.loop.peer.ledger.writer)
    return await run(_planning(made, marks))


def _planning(made: dict[RecordId, list[Made]], marks: Marks) -> Generator[None, None, dict[RecordId, Plan]]:
    plans: dict[RecordId, Plan] = {}
    for record, changes in made.items():
        if any(one.leaves for one in changes):  # The log goes line by line; where nobody forked, that is by dot.
            changes.sort(key=lambda one: one.dot)
        plans[record] = _allowed(record, (yield from planning(record, changes, marks)))
        while changes:  # One by one: to let go of ten thousand at once takes longer than a slice.
            changes.pop()
            yield
        yield
    return plans


async def _gather(node: Node, made: dict[RecordId, list[Made]], position: Position) -> None:
    """All changes of those records within a position. Raises Refused where they are too many to hold at once."""
    size = 0
    single = next(iter(made)).key.encode() if len(made) == 1 else b""

    def look(reader: Reader, place: Place, row: bytes) -> None:
        nonlocal size
        if single not in row:
            return
        for one in made_in(reader, place, row, made):
            made[one.change.record].append(one)
            size += CHANGE_BYTES + len(one.change.value) + DOT_BYTES * len(one.change.over)
        if size > FOLDED_BYTES_MAX:
            raise Refused(
                f"the changes of {len(made)} records take more than {FOLDED_BYTES_MAX >> 20} MiB",
                rule="one undo is planned in memory",
                todo="take it back by collection, by prefix, or in shorter windows",
            )

    if made:
        await walk(node, position, look)


def _allowed(record: RecordId, plan: Plan) -> Plan:
    """The plan, or the reason why a rule of the collection forbids it."""
    try:
        check_collection(record.collection)
        check_key(record.collection, record.key)
        if plan.after is not None and _is_valid(record, plan.now):  # What is broken already an undo may leave so.
            validate(record.collection, unflatten(dict(plan.after)))
    except UsageError as error:
        steps = (*plan.steps, *plan.last)
        kept = tuple(Kept(record, one.field, one.undone, f"a rule forbids what it would be: {error}") for one in steps)
        return Plan(kept=(*plan.kept, *kept))
    return plan


def _is_valid(record: RecordId, fields: Mapping[str, object]) -> bool:
    try:
        validate(record.collection, unflatten(dict(fields)))
    except UsageError:
        return False
    return True


class _Doing:
    """An undo under way, and what there is to say of it."""

    def __init__(self, node: Node, window: _Window, plans: dict[RecordId, Plan]) -> None:
        self._node, self._window = node, window
        self._plans = plans
        self._batches: list[str] = []
        self._fault = ""

    async def carry_out(self) -> None:
        """Make all steps; then, planned over what that left, those that come last. What breaks it off is kept for the answer."""
        plans = dict(self._plans)
        try:
            for packet in packets(plan.steps for plan in plans.values()):
                await self._make(packet, last=False)
            late = [record for record, plan in plans.items() if plan.last]
            if late:
                again = await _plans(self._node, self._window, late)
                for packet in packets(plan.last for plan in again.values()):
                    await self._make(packet, last=True)
        except MeshError as error:
            self._fault = str(error)

    async def _make(self, packet: list[Step], last: bool) -> None:
        """One batch. Where others wrote in between, it is planned again for its records."""
        records = list(dict.fromkeys(step.record for step in packet))
        for _ in range(ROUNDS_MAX):
            if not packet:
                return
            try:
                await self._submit(packet)
            except Overtaken:
                again = await _plans(self._node, self._window, records)
                packet = [step for plan in again.values() for step in (plan.last if last else plan.steps)]
                if not last:
                    self._plans.update(again)
            else:
                return
        raise Refused(
            f"others keep writing {records[0]} while it is taken back",
            rule="an undo replaces only what it has seen",
            todo="send the same window and intent again",
        )

    async def _submit(self, packet: list[Step]) -> None:
        for part in packets([packet]):  # Planned again, it may have grown.
            steps = (TakeBack(s.record, s.field, s.kind, s.value, s.over, s.seen) for s in part)
            author = self._window.params.author or ANONYMOUS
            receipt = await self._node.submit(tuple(steps), author, self._window.about)
            if receipt.batch is not None:
                self._batches.append(receipt.batch)

    def answer(self) -> UndoAnswer:
        """What is said of it."""
        limit = self._window.params.limit
        plans = self._plans.values()
        steps = [step for plan in plans for step in (*plan.steps, *plan.last)]
        kept = [row for plan in plans for row in plan.kept]
        return UndoAnswer(
            state="preview" if self._window.params.preview else "broken off" if self._fault else "done",
            intent=self._window.intent,
            since=self._window.since,
            until=self._window.until,
            records=sum(1 for plan in plans if plan.steps or plan.last),
            changes=len(steps),
            kept=len(kept),
            items=[_undo_row(step) for step in steps[:limit]],
            kept_items=[_kept_row(row) for row in kept[:limit]],
            batches=self._batches,
            fault=self._fault,
            token=self._node.token(),
        )


def packets(groups: Iterable[Iterable[Step]]) -> Iterator[list[Step]]:
    """The steps in portions that fit a batch; those of a record stay together where they can."""
    packet: list[Step] = []
    size = 0
    for group in groups:
        steps = list(group)
        total = sum(map(_size, steps))
        if packet and (len(packet) + len(steps) > BATCH_CHANGES or size + total > BATCH_BYTES_MAX):
            yield packet
            packet, size = [], 0
        for step in steps:
            if packet and (len(packet) >= BATCH_CHANGES_MAX or size + _size(step) > BATCH_BYTES_MAX):
                yield packet
                packet, size = [], 0
            packet.append(step)
            size += _size(step)
    if packet:
        yield packet


def _size(step: Step) -> int:
    names = len(step.record.key.encode()) + len(step.field.encode())
    return STEP_BYTES + names + len(step.value) + SEEN_BYTES * len(step.over)


def _undo_row(step: Step) -> UndoRow:
    return UndoRow(
        collection=step.record.collection,
        key=step.record.key,
        field=step.field,
        does=KINDS[step.kind],
        value=value_of(step.back) if step.back is not None and step.kind is Kind.PUT else None,
        undone=_piece(step.undone),
        back=_piece(step.back) if step.back is not None else None,
        lossy=step.lossy,
    )


def _kept_row(kept: Kept) -> KeptRow:
    by = _piece(kept.by) if kept.by is not None else None
    return KeptRow(kept.record.collection, kept.record.key, kept.field, kept.reason, _piece(kept.undone), by)


def _piece(sibling: Sibling) -> Piece:
    value = value_of(sibling) if sibling.kind is Kind.PUT else None
    return Piece(KINDS[sibling.kind], value, sibling.author, seconds_of(sibling.stamp), str(sibling.dot))
