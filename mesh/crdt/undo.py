"""Taking back what one author wrote in a window, and nothing else (DESIGN §5).

The state wanted is that of a world in which those changes were never made: a change of somebody else that was made over one of
them counts as made over what that one had replaced. So later work of others stays as it is, and where an author's change is
still what a field shows, the value comes back that it was written over.

Invariant: a step names the live siblings that it was planned over, and replaces only changes that are taken back.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from itertools import chain

from msgspec import Struct

from mesh.crdt.batch import Kind
from mesh.crdt.cell import Cell, Sibling, is_conflict, ranked, shown
from mesh.crdt.history import Made, Refold
from mesh.crdt.lines import LineId
from mesh.crdt.view import StoredRecord, value_of
from mesh.ids import Dot, RecordId, WriterId

NOBODY = WriterId(b"")


class Step(Struct, frozen=True):
    """One change to make. `seen` are the live siblings of its cell (a bury's: of the record) when it was planned.

    `back` is what comes back: the earlier sibling, or None where there was nothing. `lossy`: several values were in conflict
    before, and only the one that was shown comes back.
    """

    record: RecordId
    field: str
    kind: Kind
    value: bytes
    over: tuple[Dot, ...]
    seen: tuple[Dot, ...]
    undone: Sibling
    back: Sibling | None = None
    lossy: bool = False


class Kept(Struct, frozen=True):
    """What stays though the author wrote it in the window. `by` is the later work that stands in the way, where there is any."""

    record: RecordId
    field: str
    undone: Sibling
    reason: str
    by: Sibling | None = None


class Plan(Struct, frozen=True):
    """What to do with one record. `last` are steps that are made once the others are durable: burying it again.

    `now` are its shown fields, `after` those that the steps leave; None where they leave it buried, or without any.
    """

    steps: tuple[Step, ...] = ()
    last: tuple[Step, ...] = ()
    kept: tuple[Kept, ...] = ()
    now: Mapping[str, object] = {}
    after: Mapping[str, object] | None = None


class Marks(Struct, frozen=True):
    """How changes are told apart: those to take back, those that this very undo made already, and who is going to write."""

    taken: Callable[[Made], bool]
    ours: Callable[[Made], bool]
    writer: WriterId = NOBODY


def plan_record(record: RecordId, made: Iterable[Made], marks: Marks) -> Plan:
    """What takes back the marked changes of a record, given all its applied changes."""
    steps = planning(record, sorted(made, key=lambda one: one.dot), marks)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            plan: Plan = end.value
            return plan


def planning(record: RecordId, made: Iterable[Made], marks: Marks) -> Generator[None, None, Plan]:
    """As `plan_record`, for changes in order of the log, with a pause after every change and every field."""
    history = _History(record, marks)
    yield from history.take_in(made)
    if not history.taken:
        return Plan()
    yield from history.look_back()
    if history.is_new:
        return _plan_new(history)
    fields: list[Plan] = []
    for field in history.fields:
        fields.append(_plan_field(history, field))
        yield
    own = _plan_standing(history)
    if any(bury.dot not in history.taken for bury in history.now.buries) or (own.kept and history.now.buried):
        fields = [_stay_under(history, part) for part in fields]  # It stays buried, as whoever buried it saw it.
    return _together(history, [*fields, own])


def _together(history: "_History", parts: list[Plan]) -> Plan:
    steps = [step for part in parts for step in part.steps]
    last = tuple(step for part in parts for step in part.last)
    now = history.now.fields()
    buried = bool(last) or (history.now.buried and not any(step.kind is Kind.RESTORE for step in steps))
    after = None if buried else _after(now, steps)
    return Plan(tuple(steps), last, tuple(kept for part in parts for kept in part.kept), now, after or None)


def _after(now: Mapping[str, object], steps: Iterable[Step]) -> dict[str, object]:
    """The shown fields once the steps are made."""
    fields = dict(now)
    for step in steps:
        if step.kind is Kind.PUT and step.back is not None:
            fields[step.field] = value_of(step.back)
        elif step.kind is Kind.CLEAR:
            fields.pop(step.field, None)
    return fields


class _History:
    """The changes of a record, as they are and as they would be without those that are taken back."""

    def __init__(self, record: RecordId, marks: Marks) -> None:
        self.record, self.marks = record, marks
        self.made: dict[Dot, Made] = {}
        self.ours: set[Dot] = set()
        self.taken: dict[Dot, Made] = {}
        self.newest: dict[str, Made] = {}  # Of the taken changes of each cell.
        self.now = StoredRecord(record, {}, ())
        self.earlier: dict[Dot, None] = {}
        self.is_new = False
        self._first: tuple[int, Dot] | None = None
        self._cells: dict[str, list[Dot]] = {}  # The taken changes of each cell.
        self._followers: dict[Dot, list[Dot]] = {}
        self._before: dict[Dot, Dot] = {}

    def take_in(self, made: Iterable[Made]) -> Iterator[None]:
        """Take in all changes of the record, in order of their dots."""
        chains: dict[tuple[LineId, str], list[Made]] = {}
        folding = Refold(self.record)
        for one in made:
            dot, field = one.dot, one.change.field
            self.made[dot] = one
            folding.add(one)
            if (before := _newest_before(one, chains)) is not None:
                self._before[dot] = before
            chains.setdefault((one.line, field), []).append(one)
            for replaced in self._replaced(one):
                self._followers.setdefault(replaced, []).append(dot)
            if self.marks.ours(one):
                self.ours.add(dot)
            elif self.marks.taken(one):
                self._take(one)
            yield
        self.now = folding.result() or self.now

    def _take(self, one: Made) -> None:
        field = one.change.field
        self.taken[one.dot] = one
        self._cells.setdefault(field, []).append(one.dot)
        if field not in self.newest or self.newest[field].rank < one.rank:
            self.newest[field] = one
        if self._first is None or one.rank < self._first:
            self._first = one.rank

    @property
    def first(self) -> Made:
        """The first of the taken changes, by stamp."""
        assert self._first is not None, self.record
        return self.taken[self._first[1]]

    def look_back(self) -> Iterator[None]:
        """Find what was there before the first change that is taken back: `earlier`, and whether the record `is_new`.

        A record that the taken changes replaced something in, or put nothing into, is not new. What neither replacements nor the
        chains of writers tell is told by stamps; clocks that disagree make an undo keep more, and nobody's work is lost by it.
        """
        first = self.first.rank
        folding = Refold(self.record)
        yield from self._find_named()
        made_none = bool(self.earlier) or not any(one.change.kind is Kind.PUT for one in self.taken.values())
        reach: dict[LineId, int] = {}  # A writer's batches up to one that is earlier are earlier too.
        for dot in self.earlier:
            one = self.made[dot]
            for line, number in ((one.line, dot.number), *one.leaves.items()):
                reach[line] = max(reach.get(line, 0), number)
            yield
        for dot, one in self.made.items():
            if dot not in self.taken and (dot.number <= reach.get(one.line, 0) or one.rank < first):
                self.earlier[dot] = None
                folding.add(one)
            yield
        then = folding.result()
        self.is_new = not made_none and (then is None or not (then.exists or then.buried))

    def _find_named(self) -> Iterator[None]:
        """What the taken changes were made over is earlier, except for what was itself made over one of them."""
        for taken in self.taken.values():
            todo = list(taken.change.over)
            while todo:
                dot = todo.pop()
                one = self.made.get(dot)
                if one is None or dot in self.earlier or dot in self.taken:
                    continue
                if self.taken.keys().isdisjoint(self.replaced_by(one)):
                    self.earlier[dot] = None
                    todo += self._replaced(one)
                yield

    @property
    def fields(self) -> list[str]:
        """The fields that hold a taken change."""
        return sorted(field for field in self.newest if field)

    def live(self, field: str) -> Cell:
        """The cell as it is; "" is the record's own."""
        return self.now.cells.get(field, ()) if field else self.now.buries

    def replaced_by(self, one: Made) -> Iterator[Dot]:
        """What a change replaces where those taken back were never made: through them, to what they replaced."""
        todo = list(self._replaced(one))
        seen: set[Dot] = set()
        while todo:
            dot = todo.pop()
            if dot in seen:
                continue
            seen.add(dot)
            yield dot
            if dot in self.taken:
                todo += self._replaced(self.taken[dot])

    def _replaced(self, one: Made) -> list[Dot]:
        named = list(one.change.over) if one.change.kind is not Kind.BURY else []
        return [*named, *([self._before[one.dot]] if one.dot in self._before else [])]

    def without(self, field: str) -> Cell:
        """The cell without the changes that are taken back: what is live of others, and what comes back from under the taken."""
        under = (dot for taken in self._cells.get(field, []) for dot in self._replaced(self.taken[taken]))
        found = dict.fromkeys([*(one.dot for one in self.live(field)), *under])
        kept = [self.made[dot] for dot in found if dot in self.made and dot not in self.taken]
        back = [one for one in kept if one.change.kind is not Kind.RESTORE and not self.later(one.dot)]
        return ranked(one.sibling for one in back)

    def later(self, dot: Dot) -> list[Made]:
        """The changes that were made over `dot`, or over taken ones that were."""
        found: dict[Dot, Made] = {}
        seen: set[Dot] = set()
        todo = [dot]
        while todo:
            for follower in self._followers.get(todo.pop(), []):
                if follower in self.taken and follower not in seen:
                    todo.append(follower)
                elif follower not in self.taken:
                    found[follower] = self.made[follower]
                seen.add(follower)
        return list(found.values())

    def added(self) -> list[Sibling]:
        """What others wrote into the record's fields since, as it would be live without the changes that are taken back."""
        fields = sorted(dict.fromkeys([*self.now.cells, *self.fields]))
        live = chain.from_iterable(self.without(field) for field in fields)
        return [one for one in live if one.dot not in self.ours and one.dot not in self.earlier]

    def others(self) -> list[Sibling]:
        """Live fields of the record that are neither taken back nor this undo's own."""
        live = chain.from_iterable(self.now.cells.values())
        return [one for one in live if one.dot not in self.taken and one.dot not in self.ours]

    def dots(self) -> tuple[Dot, ...]:
        """Every live dot of the record."""
        return tuple(sorted(s.dot for s in chain(self.now.buries, *self.now.cells.values())))


def _newest_before(one: Made, chains: Mapping[tuple[LineId, str], list[Made]]) -> Dot | None:
    """The change of the same cell that its writer made before this one, on the same branch."""
    for line in (one.line, *one.leaves):
        for other in reversed(chains.get((line, one.change.field), ())):
            if one.follows(other):
                return other.dot
    return None


def _plan_new(history: _History) -> Plan:
    """A record that the author made: buried whole, unless somebody else works with it now."""
    first = history.first.sibling
    if others := history.added():
        newest = ranked(others)[-1]
        return Plan(
            kept=(Kept(history.record, "", first, "the record was made in the window, and edited since", newest),)
        )
    if history.now.buried:
        bury = history.now.buries[-1]
        reason = "it is taken back already" if bury.dot in history.ours else "the record is buried already"
        return Plan(kept=(Kept(history.record, "", first, reason, bury),))
    if not history.now.exists:
        return Plan(kept=(Kept(history.record, "", first, "nothing of the record is left"),))
    dots = history.dots()
    return Plan(last=(Step(history.record, "", Kind.BURY, b"", dots, dots, first),))


def _plan_field(history: _History, field: str) -> Plan:
    cell = history.live(field)
    mine = [one for one in cell if one.dot in history.taken]
    if not mine:
        return Plan(kept=(_kept(history, field),))
    wanted = history.without(field)
    stay = [one for one in cell if one.dot not in history.taken]
    own = [
        one for one in stay if one.dot.writer == history.marks.writer
    ]  # Whoever writes replaces its own earlier change.
    back = shown(wanted) if not own else own[-1]
    kind, value = (back.kind, back.value) if back is not None else (Kind.CLEAR, b"")
    lossy = is_conflict(wanted) and any(one not in stay and one.value != value for one in wanted)
    over, seen = (tuple(sorted(one.dot for one in some)) for some in (mine, cell))
    return Plan((Step(history.record, field, kind, value, over, seen, mine[-1], back, lossy),))


def _plan_standing(history: _History) -> Plan:
    """Buries and restores of the record itself."""
    if "" not in history.newest:
        return Plan()
    live = history.live("")
    mine = [one for one in live if one.dot in history.taken]
    stay = [one for one in live if one.dot not in history.taken]
    newest = history.newest[""].sibling
    if mine and any(one.dot.writer == history.marks.writer for one in stay):  # Restoring would lift that bury as well.
        return Plan(kept=(Kept(history.record, "", newest, "somebody else has buried it too", stay[-1]),))
    wanted = history.without("")
    if mine and (before := [one for one in wanted if one not in stay]):
        return Plan(kept=(Kept(history.record, "", newest, "the record was buried before that too", before[-1]),))
    if mine:
        over, seen = (tuple(sorted(one.dot for one in some)) for some in (mine, live))
        return Plan((Step(history.record, "", Kind.RESTORE, b"", over, seen, newest),))
    if live or not wanted:
        return Plan(kept=(_kept(history, ""),))
    lifted = {dot for bury in wanted for dot in bury.over}
    unnamed = [one for one in history.others() if one.dot not in lifted]
    if later := [one for one in unnamed if one.dot not in history.earlier]:
        return Plan(
            kept=(Kept(history.record, "", newest, "the record was edited since it was restored", ranked(later)[-1]),)
        )
    dots, late = history.dots(), {one.dot for one in unnamed}
    over = tuple(
        dot for dot in dots if dot not in late
    )  # What that bury did not see stays an edit that it did not see.
    return Plan(last=(Step(history.record, "", Kind.BURY, b"", over, dots, newest, wanted[-1]),))


def _stay_under(history: _History, part: Plan) -> Plan:
    bury = history.now.buries[-1]
    kept = [Kept(one.record, one.field, one.undone, "the record is buried", bury) for one in part.steps]
    return Plan(kept=(*part.kept, *kept))


def _kept(history: _History, field: str) -> Kept:
    """Why nothing is to be done in a cell: what stands there now is not the author's."""
    undone = history.newest[field].sibling
    newest = max(history.later(undone.dot), key=lambda one: one.rank, default=None)
    if newest is None:
        return Kept(history.record, field, undone, "nothing of it is left")
    reason = "it is taken back already" if newest.dot in history.ours else "later work"
    return Kept(history.record, field, undone, reason, newest.sibling)


def by_author(author: str, first: int, last: int) -> Callable[[Made], bool]:
    """Marks the changes of an author that are stamped `first` to `last`."""
    return lambda one: one.sibling.author == author and first <= one.sibling.stamp <= last


def with_intent(intent: str) -> Callable[[Made], bool]:
    """Marks the changes that were made under an intent."""
    return lambda one: bool(intent) and one.about.get("intent") == intent
