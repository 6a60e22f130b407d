"""Taking back what one author wrote in a window, and nothing else (DESIGN §5).

The state wanted is that of a world in which those changes were never made: a change of somebody else that was made over one of
them counts as made over what that one had replaced. So later work of others stays as it is, and where an author's change is
still what a field shows, the value comes back that it was written over.

Invariant: a step names the live siblings that it was planned over, and replaces only changes that are taken back.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain

from msgspec import Struct

from mesh.crdt.batch import Kind
from mesh.crdt.cell import Cell, Sibling, is_conflict, ranked, shown
from mesh.crdt.history import Made, refold
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
    history = _History(record, list(made), marks)
    if not history.taken:
        return Plan()
    if history.is_new():
        return _plan_new(history)
    fields = [_plan_field(history, field) for field in history.fields]
    own = _plan_standing(history)
    if any(bury.dot not in history.taken for bury in history.now.buries) or (own.kept and history.now.buried):
        fields = [_stay_under(history, part) for part in fields]  # It stays buried, as whoever buried it saw it.
    parts = [*fields, own]
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

    def __init__(self, record: RecordId, made: list[Made], marks: Marks) -> None:
        self.record, self.marks = record, marks
        self.made = {one.dot: one for one in sorted(made, key=lambda one: one.dot)}
        self.ours = {dot for dot, one in self.made.items() if marks.ours(one)}
        taken = [one for one in self.made.values() if one.dot not in self.ours and marks.taken(one)]
        self.taken = {one.dot: one for one in sorted(taken, key=lambda one: one.rank)}
        self.now = refold(record, made) or StoredRecord(record, {}, ())
        self.fields = sorted({one.change.field for one in self.taken.values() if one.change.field})
        self._before: dict[Dot, Dot] = {}
        newest: dict[tuple[WriterId, str], Dot] = {}
        for dot, one in self.made.items():
            cell = (dot.writer, one.change.field)
            if cell in newest:
                self._before[dot] = newest[cell]
            newest[cell] = dot

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
        """The cell without the changes that are taken back."""
        kept = [one for one in self.made.values() if one.change.field == field and one.dot not in self.taken]
        gone = {dot for one in kept for dot in self.replaced_by(one)}
        return ranked(one.sibling for one in kept if one.dot not in gone and one.change.kind is not Kind.RESTORE)

    def in_cell(self, field: str) -> list[Made]:
        """The taken changes of a cell, oldest first."""
        return [one for one in self.taken.values() if one.change.field == field]

    def is_new(self) -> bool:
        """Whether the record was not there before the first change that is taken back."""
        earlier = refold(self.record, (one for dot, one in self.made.items() if dot in self.earlier))
        return earlier is None or not (earlier.exists or earlier.buried)

    @cached_property
    def earlier(self) -> set[Dot]:
        """The changes from before the first one that is taken back.

        What no chain of replacements tells is told by stamps. Clocks that disagree make an undo keep more, or clear single fields
        where a bury would do; nobody's work is lost by it.
        """
        first = next(iter(self.taken.values())).rank
        return self._named_by_taken() | {dot for dot, one in self.made.items() if one.rank < first}

    def _named_by_taken(self) -> set[Dot]:
        """What the taken changes were made over, except for what was itself made over one of them."""
        todo = [dot for one in self.taken.values() for dot in one.change.over]
        named: set[Dot] = set()
        while todo:
            dot = todo.pop()
            one = self.made.get(dot)
            if (
                one is None
                or dot in named
                or dot in self.taken
                or not self.taken.keys().isdisjoint(self.replaced_by(one))
            ):
                continue
            named.add(dot)
            todo += self._replaced(one)
        return named

    def added(self) -> list[Sibling]:
        """What others wrote into the record's fields since, as it would be live without the changes that are taken back."""
        fields = sorted({one.change.field for one in self.made.values() if one.change.field})
        live = chain.from_iterable(self.without(field) for field in fields)
        return [one for one in live if one.dot not in self.ours and one.dot not in self.earlier]

    def others(self) -> list[Sibling]:
        """Live fields of the record that are neither taken back nor this undo's own."""
        live = chain.from_iterable(self.now.cells.values())
        return [one for one in live if one.dot not in self.taken and one.dot not in self.ours]

    def dots(self) -> tuple[Dot, ...]:
        """Every live dot of the record."""
        return tuple(sorted(s.dot for s in chain(self.now.buries, *self.now.cells.values())))


def _plan_new(history: _History) -> Plan:
    """A record that the author made: buried whole, unless somebody else works with it now."""
    first = next(iter(history.taken.values())).sibling
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
    taken = history.in_cell("")
    if not taken:
        return Plan()
    live = history.live("")
    mine = [one for one in live if one.dot in history.taken]
    stay = [one for one in live if one.dot not in history.taken]
    newest = taken[-1].sibling
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
    undone = history.in_cell(field)[-1].sibling
    later = [one for one in history.made.values() if one.change.field == field and one.dot not in history.taken]
    over = [one for one in later if undone.dot in set(history.replaced_by(one))]
    newest = max(over, key=lambda one: one.rank, default=None)
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
