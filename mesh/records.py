"""Records: what a person asks of the ledger, checked against the collection's schema and turned into edits.

Invariant: a request is answered exactly once, with the batch it became or with the rule it broke; before a starting node has asked
for its own head (or has waited long enough), requests wait.
"""

from collections.abc import Sequence

from msgspec import Struct

from mesh.config import GossipConfig
from mesh.crdt.batch import CHANGES_MAX, Kind
from mesh.crdt.compose import Bury, Clear, Edit, Put, Restore, TakeBack
from mesh.crdt.effects import LedgerEffect, NotComposed
from mesh.crdt.events import Compose, ComposeTogether, Confirm
from mesh.crdt.ledger import Ledger
from mesh.crdt.replica import Reader
from mesh.crdt.versions import NOTHING, Expect, check_expected, live_dots
from mesh.crdt.view import StoredRecord, read_record, value_of
from mesh.errors import NotFound, Refused, StorageError, UsageError
from mesh.events import Tick
from mesh.ids import RecordId
from mesh.model.collections import validate
from mesh.model.fields import differ, flatten, merge_patch, split, unflatten
from mesh.model.naming import check_collection, check_field, check_key
from mesh.model.policy import COLLECTION as POLICIES

QUEUE_MAX = 1_000  # Requests that wait for a starting node.
INTENT = "intent"  # In `about`: the undertaking that a write belongs to.
BURIED_DOTS_MAX = 1_200  # A bury names every live change of its record, and 36 bytes each have to fit a batch.


class PutRecord(Struct, frozen=True, tag="put"):
    """Make the record exactly `value`: fields that it does not name are cleared. `expect`: see mesh/crdt/versions.py."""

    record: RecordId
    value: dict[str, object]
    expect: Expect = NOTHING


class PatchRecord(Struct, frozen=True, tag="patch"):
    """Merge `patch` into the record (RFC 7396): null clears."""

    record: RecordId
    patch: dict[str, object]
    expect: Expect = NOTHING


class BuryRecord(Struct, frozen=True, tag="bury"):
    """Hide the record; nothing of it is lost."""

    record: RecordId
    expect: Expect = NOTHING


class RestoreRecord(Struct, frozen=True, tag="restore"):
    """Show a buried record again."""

    record: RecordId
    expect: Expect = NOTHING


class TakeSibling(Struct, frozen=True, tag="take"):
    """Settle the conflict of a field with the value that the change `dot` gave it."""

    record: RecordId
    field: str
    dot: str
    expect: Expect = NOTHING


class SettleField(Struct, frozen=True, tag="settle"):
    """Settle the conflict of a field with a value of its own; None clears it."""

    record: RecordId
    field: str
    value: object
    expect: Expect = NOTHING


Operation = PutRecord | PatchRecord | BuryRecord | RestoreRecord | TakeSibling | SettleField | TakeBack


class Submit(Struct, frozen=True):
    """Carry out all of `operations` as one batch, in the name of `author`; answer with `request`."""

    request: int
    operations: tuple[Operation, ...]
    author: str
    about: dict[str, str] = {}


class Together(Struct, frozen=True):
    """Writes that came at once, in their order: each is answered as if it had come alone behind those before it."""

    submits: tuple[Submit, ...]


class Opened(Struct, frozen=True):
    """A peer said what it holds of this node's own writer."""


class Close(Struct, frozen=True):
    """This node takes no writes any more: each is answered with `error`."""

    error: Refused


RecordsEvent = Submit | Together | Opened | Close | Tick


class Sharing:
    """Writes that go into one batch, because each says the same as it would in a batch of its own.

    They have one author, who says the same of all; no two speak of one record. A write stands alone that belongs to an undertaking,
    whose batches are counted, or that changes a policy, by which others are carried out.
    """

    def __init__(self) -> None:
        self._writes: list[Compose] = []
        self._records: dict[RecordId, None] = {}
        self._edits = 0
        self._closed = False

    def may_join(self, submit: Submit) -> bool:
        """Whether a write may come into the batch of those that are here, as far as its edits don't matter."""
        if not self._writes:
            return True
        if self._closed or _stands_alone(submit):
            return False
        first = self._writes[0]
        same = submit.author == first.author and submit.about == first.about
        return same and not any(operation.record in self._records for operation in submit.operations)

    def has_room(self, write: Compose) -> bool:
        """Whether a batch can hold a write's edits, too."""
        return not self._writes or self._edits + len(write.edits) <= CHANGES_MAX

    def join(self, submit: Submit, write: Compose) -> None:
        """Let a write in, as it was planned."""
        self._writes.append(write)
        self._records.update((operation.record, None) for operation in submit.operations)
        self._edits += len(write.edits)
        self._closed = _stands_alone(submit)

    def taken(self) -> tuple[Compose, ...]:
        """The writes that are here; none are from then on."""
        writes = tuple(self._writes)
        self._writes.clear()
        self._records.clear()
        self._edits, self._closed = 0, False
        return writes


def _stands_alone(submit: Submit) -> bool:
    return INTENT in submit.about or any(operation.record.collection == POLICIES for operation in submit.operations)


class Records:
    """The door through which people's writes come to the ledger."""

    __slots__ = ("_closed", "_ledger", "_opens_at", "_waiting")

    def __init__(self, ledger: Ledger, config: GossipConfig, alone: bool, now: float) -> None:
        self._ledger = ledger
        self._opens_at = now if alone else now + config.opening_s
        self._waiting: list[Submit] = []
        self._closed: Refused | None = None

    def deadline(self) -> float:
        """When waiting requests are let in whatever was heard."""
        return self._opens_at if self._waiting else float("inf")

    def is_opening(self, now: float) -> bool:
        """Whether a starting node still waits to hear of its own head before its first write."""
        return now < self._opens_at

    def handle(self, event: RecordsEvent, now: float) -> list[LedgerEffect]:
        """React to one event."""
        match event:
            case Submit():
                return self._on_submits((event,), now)
            case Together(submits):
                return self._on_submits(submits, now)
            case Opened():
                self._opens_at = min(self._opens_at, now)
                return self._let_in(now)
            case Close(error):
                self._closed, self._opens_at = error, min(self._opens_at, now)
                return self._let_in(now)
            case Tick():
                return self._let_in(now)

    def _on_submits(self, submits: tuple[Submit, ...], now: float) -> list[LedgerEffect]:
        if now >= self._opens_at:
            return self._carry_out(submits, now)
        room = QUEUE_MAX - len(self._waiting)
        self._waiting += submits[:room]
        error = Refused("this peer is starting and its queue is full", todo="try again in two seconds")
        return [NotComposed(submit.request, error) for submit in submits[room:]]

    def _let_in(self, now: float) -> list[LedgerEffect]:
        if now < self._opens_at:
            return []
        waiting, self._waiting = self._waiting, []
        return self._carry_out(waiting, now) if waiting else []

    def _carry_out(self, submits: Sequence[Submit], now: float) -> list[LedgerEffect]:
        """Answer writes in their order; neighbours go into one batch where nobody can tell the difference."""
        if self._closed is not None:
            return [NotComposed(submit.request, self._closed) for submit in submits]
        said: list[LedgerEffect] = []
        sharing = Sharing()
        with self._ledger.read() as reader:
            for submit in submits:
                if not sharing.may_join(submit):
                    said += self._compose(sharing.taken(), now)
                planned = _planned(reader, submit)
                if not isinstance(planned, Compose):
                    said += [planned] if isinstance(planned, NotComposed) else self._ledger.handle(planned, now)
                    continue
                if not sharing.has_room(planned):
                    said += self._compose(sharing.taken(), now)
                sharing.join(submit, planned)
            said += self._compose(sharing.taken(), now)
        return said

    def _compose(self, writes: tuple[Compose, ...], now: float) -> list[LedgerEffect]:
        if not writes:
            return []
        try:
            said = self._ledger.handle(ComposeTogether(writes) if len(writes) > 1 else writes[0], now)
        except UsageError as error:
            said = [NotComposed(write.request, error) for write in writes]
        if len(writes) == 1 or not any(isinstance(effect, NotComposed) for effect in said):
            return said
        # One of them cannot be carried out, or they are too large together: the others are not to suffer.
        half = len(writes) // 2
        said = [effect for effect in said if not isinstance(effect, NotComposed)]
        return [*said, *self._compose(writes[:half], now), *self._compose(writes[half:], now)]


def _planned(reader: Reader, submit: Submit) -> Compose | Confirm | NotComposed:
    try:
        edits = tuple(edit for op in submit.operations for edit in edits_for(reader, op))
    except (UsageError, StorageError) as error:
        return NotComposed(submit.request, error)
    return Compose(submit.request, edits, submit.author, submit.about) if edits else Confirm(submit.request)


def edits_for(reader: Reader, operation: Operation) -> list[Edit]:
    """The smallest set of edits that carries out `operation` on what `reader` sees. Raises UsageError."""
    record = operation.record
    check_collection(record.collection)
    check_key(record.collection, record.key)
    if isinstance(operation, TakeBack):
        return [operation]  # What it was planned over it names itself.
    stored = read_record(reader, record)
    if isinstance(operation, TakeSibling | SettleField):  # "Settled already" says more than "not as it was".
        _in_conflict(record, stored, operation.field)
    check_expected(record, stored, operation.expect)
    match operation:
        case PutRecord(_, value, _):
            return _put(record, _not_buried(record, stored), value)
        case PatchRecord(_, patch, _):
            return _patch(record, _existing(record, _not_buried(record, stored)), patch)
        case BuryRecord():
            return _bury(record, _existing(record, stored))
        case RestoreRecord():
            return [Restore(record)] if _existing(record, stored).buried else []
        case TakeSibling(_, field, dot, _):
            return _take(record, _in_conflict(record, stored, field), field, dot)
        case SettleField(_, field, value, _):
            return _edits(record, _in_conflict(record, stored, field), {field: value})


def _put(record: RecordId, stored: StoredRecord | None, value: dict[str, object]) -> list[Edit]:
    wanted: dict[str, object | None] = dict(flatten(value))
    if all(item is None for item in wanted.values()):
        raise UsageError(f"{record}: a record has at least one field", rule="not empty", todo="bury it to take it away")
    if stored is not None:
        wanted.update({field: None for field in (*stored.fields(), *stored.conflicts()) if field not in wanted})
    return _edits(record, stored, wanted)


def _bury(record: RecordId, stored: StoredRecord) -> list[Edit]:
    if stored.buried:
        return []
    if (count := len(live_dots(stored))) > BURIED_DOTS_MAX:
        raise Refused(
            f"{record} has {count} live changes, and one bury can name {BURIED_DOTS_MAX}",
            field="key",
            rule="a bury names all that it hides",
            todo="`mesh bury COLLECTION --where prefix=KEY` settles its conflicts first; without conflicts, clear its fields: "
            "a record without a value is not shown either",
        )
    return [Bury(record)]


def _patch(record: RecordId, stored: StoredRecord, patch: dict[str, object]) -> list[Edit]:
    for field in stored.conflicts():
        name, key = split(field)
        given = patch.get(name)
        part = given.get(key) if isinstance(given, dict) and key is not None else None
        if isinstance(part, dict) and stored.showing(field).withheld:
            raise Refused(
                f"{record}: {field} is in conflict and its policy is `ask`, so there is no value to merge into",
                field=field,
                rule="a value that is withheld is settled, not merged",
                todo="settle the conflict first: `mesh resolve`",
            )
    return _edits(record, stored, merge_patch(unflatten(stored.fields()), patch))


def _edits(record: RecordId, stored: StoredRecord | None, wanted: dict[str, object | None]) -> list[Edit]:
    """Edits for the fields that are not yet as wanted; a field in conflict is written over even where it shows the value."""
    shown = stored.fields() if stored is not None else {}
    unsettled = stored.conflicts() if stored is not None else []
    result = {**shown, **wanted}
    validate(record.collection, unflatten({field: value for field, value in result.items() if value is not None}))
    edits: list[Edit] = []
    for field, value in wanted.items():
        check_field(field)
        if value is None:
            edits += [Clear(record, field)] if field in shown or field in unsettled else []
        elif field not in shown or field in unsettled or differ(shown[field], value):
            edits.append(Put(record, field, value))
    return edits


def _take(record: RecordId, stored: StoredRecord, field: str, dot: str) -> list[Edit]:
    for sibling in stored.cells[field]:
        if str(sibling.dot) == dot:
            value = value_of(sibling) if sibling.kind is Kind.PUT else None
            return _edits(record, stored, {field: value})
    raise Refused(
        f"{record}: {dot!r} is none of the values of {field} that are in conflict here",
        field="take",
        rule="one of the values in conflict",
        todo="list the conflicts again: somebody may have settled it, or added a value",
    )


def _in_conflict(record: RecordId, stored: StoredRecord | None, field: str) -> StoredRecord:
    found = _not_buried(record, stored)  # It may show nothing: somebody cleared what others wrote.
    if found is None or field not in found.conflicts():
        raise Refused(
            f"{record}: {field!r} is not in conflict here",
            field="field",
            rule="only a conflict can be settled",
            todo="list the conflicts again: somebody may have settled it; to change the field, patch the record",
        )
    return found


def _existing(record: RecordId, stored: StoredRecord | None) -> StoredRecord:
    if stored is None or not (stored.exists or stored.buried):
        raise NotFound(
            f"there is no {record.collection} {record.key!r} here", field="key", todo="list the collection, or put it"
        )
    return stored


def _not_buried(record: RecordId, stored: StoredRecord | None) -> StoredRecord | None:
    if stored is not None and stored.buried:
        by = stored.buries[-1].author
        raise Refused(
            f"{record} was buried by {by}", field="key", rule="a buried record is not changed", todo="restore it first"
        )
    return stored
