"""Records: what a person asks of the ledger, checked against the collection's schema and turned into edits.

Invariant: a request is answered exactly once, with the batch it became or with the rule it broke; before a starting node has asked
for its own head (or has waited long enough), requests wait.
"""

from msgspec import Struct

from mesh.config import GossipConfig
from mesh.crdt.batch import Kind
from mesh.crdt.compose import Bury, Clear, Edit, Put, Restore, TakeBack
from mesh.crdt.effects import LedgerEffect, NotComposed
from mesh.crdt.events import Compose, Confirm
from mesh.crdt.ledger import Ledger
from mesh.crdt.replica import Reader
from mesh.crdt.versions import NOTHING, Expect, check_expected, live_dots
from mesh.crdt.view import StoredRecord, read_record, value_of
from mesh.errors import NotFound, Refused, UsageError
from mesh.events import Tick
from mesh.ids import RecordId
from mesh.model.collections import validate
from mesh.model.fields import differ, flatten, merge_patch, split, unflatten
from mesh.model.naming import check_collection, check_field, check_key

QUEUE_MAX = 1_000  # Requests that wait for a starting node.
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


class Opened(Struct, frozen=True):
    """A peer said what it holds of this node's own writer."""


class Close(Struct, frozen=True):
    """This node takes no writes any more: each is answered with `error`."""

    error: Refused


RecordsEvent = Submit | Opened | Close | Tick


class Records:
    """The door through which people's writes come to the ledger."""

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
                return self._on_submit(event, now)
            case Opened():
                self._opens_at = min(self._opens_at, now)
                return self._let_in(now)
            case Close(error):
                self._closed, self._opens_at = error, min(self._opens_at, now)
                return self._let_in(now)
            case Tick():
                return self._let_in(now)

    def _on_submit(self, submit: Submit, now: float) -> list[LedgerEffect]:
        if now >= self._opens_at:
            return self._carry_out(submit, now)
        if len(self._waiting) >= QUEUE_MAX:
            error = Refused("this peer is starting and its queue is full", todo="try again in two seconds")
            return [NotComposed(submit.request, error)]
        self._waiting.append(submit)
        return []

    def _let_in(self, now: float) -> list[LedgerEffect]:
        if now < self._opens_at:
            return []
        waiting, self._waiting = self._waiting, []
        return [effect for submit in waiting for effect in self._carry_out(submit, now)]

    def _carry_out(self, submit: Submit, now: float) -> list[LedgerEffect]:
        if self._closed is not None:
            return [NotComposed(submit.request, self._closed)]
        try:
            with self._ledger.read() as reader:
                edits = tuple(edit for op in submit.operations for edit in edits_for(reader, op))
                if not edits:
                    return self._ledger.handle(Confirm(submit.request), now)
                return self._ledger.handle(Compose(submit.request, edits, submit.author, submit.about), now)
        except UsageError as error:
            return [NotComposed(submit.request, error)]


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
