"""What clients send and get: one frozen Struct each. The OpenAPI document and docs/api.md are made from these.

Invariant: parameters refuse names that they do not know; every list and every text that costs work has a limit in its type.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from mesh.runtime.rows import MemberRow

PAGE_MAX = 1_000
PAGE = 200
WAIT_S_MAX = 60.0
RECEIPTS_MAX = 256  # Batches asked after, or watched, at once.
OPERATIONS_MAX = 256  # One batch holds at most this many changes.

Text = Annotated[str, Meta(max_length=256)]
Token = Annotated[str, Meta(max_length=1_000_000)]
Seconds = Annotated[float, Meta(ge=0, le=WAIT_S_MAX)]
Limit = Annotated[int, Meta(ge=1, le=PAGE_MAX)]
Labels = Annotated[dict[Text, Text], Meta(max_length=32)]
Value = dict[str, object]
Dots = Annotated[list[Text], Meta(max_length=4096)]


class Params(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Parameters by name. An unknown name is refused, so that a misspelt one is never silently without effect."""


class Reading(Params, frozen=True, kw_only=True):
    """What every read takes: wait at most `timeout_s` until this peer has everything that the token `after` names."""

    after: Token = ""
    timeout_s: Seconds = 5.0


class Writing(Params, frozen=True, kw_only=True):
    """What every write takes: in whose name, why, which larger undertaking it is part of, and where in that."""

    author: Text = ""
    reason: Text = ""
    intent: Text = ""
    position: Text = ""


class Expected(Params, frozen=True, kw_only=True):
    """What has to be so, or nothing is changed. `version`: of the record as it was read; `token`: nothing in it is newer;
    `fields`: per field the dots of exactly its live changes, or the version of its conflict; an empty list where there is none.
    """

    absent: bool = False
    exists: bool = False
    version: Text | Annotated[list[Text], Meta(max_length=32)] | UnsetType = UNSET
    token: Token = ""
    fields: Annotated[dict[Text, Dots], Meta(max_length=256)] = {}


class GetRecord(Reading, frozen=True, kw_only=True):
    """Which record."""

    collection: Text
    key: Text


class ListRecords(Reading, frozen=True, kw_only=True):
    """Which records, by key; `after_key` continues behind a key. `buried` lists the buried ones instead."""

    collection: Text
    prefix: Text = ""
    after_key: Text = ""
    limit: Limit = PAGE
    labels: Labels = {}
    text: Text = ""
    buried: bool = False


class AskWhy(Params, frozen=True, kw_only=True):
    """Which member: its name, or at least eight digits of its identity."""

    member: Text


class ShowReach(Params, frozen=True, kw_only=True):
    """The paths of which member, by its name; of all where there is none."""

    member: Text = ""


class PutParams(Writing, frozen=True, kw_only=True):
    """Make the record exactly `value`."""

    collection: Text
    key: Text
    value: Value
    expect: Expected = Expected()


class PatchParams(Writing, frozen=True, kw_only=True):
    """Merge `patch` into the record (RFC 7396): null clears."""

    collection: Text
    key: Text
    patch: Value
    expect: Expected = Expected()


class NameRecord(Writing, frozen=True, kw_only=True):
    """The record to bury or restore."""

    collection: Text
    key: Text
    expect: Expected = Expected()


class PutOp(Params, frozen=True, kw_only=True, tag_field="op", tag="put"):
    """In a batch: make the record exactly `value`."""

    collection: Text
    key: Text
    value: Value
    expect: Expected = Expected()


class PatchOp(Params, frozen=True, kw_only=True, tag_field="op", tag="patch"):
    """In a batch: merge `patch` into the record."""

    collection: Text
    key: Text
    patch: Value
    expect: Expected = Expected()


class BuryOp(Params, frozen=True, kw_only=True, tag_field="op", tag="bury"):
    """In a batch: hide the record."""

    collection: Text
    key: Text
    expect: Expected = Expected()


class RestoreOp(Params, frozen=True, kw_only=True, tag_field="op", tag="restore"):
    """In a batch: show the record again."""

    collection: Text
    key: Text
    expect: Expected = Expected()


class SettleOp(Params, frozen=True, kw_only=True, tag_field="op", tag="settle"):
    """In a batch: settle the conflict of a field with a value; null clears. `seen` as in `conflicts.resolve`."""

    collection: Text
    key: Text
    field: Text
    value: object
    seen: Dots


Op = PutOp | PatchOp | BuryOp | RestoreOp | SettleOp


class SubmitParams(Writing, frozen=True, kw_only=True):
    """Several operations as one batch: every peer shows all of them or none."""

    operations: Annotated[list[Op], Meta(min_length=1, max_length=OPERATIONS_MAX)]


class ListState(Params, frozen=True, kw_only=True):
    """State rows whose topic starts with `prefix`."""

    prefix: Text = ""


class GetState(Params, frozen=True, kw_only=True):
    """The rows of one topic, such as `unit/BTF/DIPOLE/DHSTB001` or `node`, of every owner."""

    topic: Text


class Nothing(Params, frozen=True, kw_only=True):
    """No parameters."""


class OpenWatch(Params, frozen=True, kw_only=True):
    """What to watch. `resume` is a token from an earlier watch of records: only what is newer is sent.

    `batches` are those of receipts, and given for these alone.
    """

    kind: Literal["records", "state", "members", "receipts"] = "records"
    collection: Text = ""
    prefix: Text = ""
    resume: Token = ""
    batches: Annotated[list[Text], Meta(max_length=RECEIPTS_MAX)] = []
    timeout_s: Seconds = 5.0


class CloseWatch(Params, frozen=True, kw_only=True):
    """Which watch of this connection."""

    watch: int


# ---- answers


class SiblingValue(Struct, frozen=True):
    """One of the concurrent values of a field. `cleared`: this writer took the field away."""

    value: object
    author: str
    at: float
    dot: str
    cleared: bool
    shown: bool


class Conflict(Struct, frozen=True):
    """A field that was changed in different ways by writers who did not know of each other.

    `policy` is the rule by which one of the values is shown; `withheld`: none is, until somebody settles it; `mark` says where
    the rule could not be followed. `version` is what `resolve` asks for as `seen`.
    """

    field: str
    values: list[SiblingValue]
    policy: str
    withheld: bool
    mark: str
    version: str


class Change(Struct, frozen=True):
    """Who changed the record last, when (seconds since 1970), in which change."""

    author: str
    at: float
    dot: str


class RecordRow(Struct, frozen=True):
    """One record as it is shown, with what is in conflict."""

    collection: str
    key: str
    value: Value
    conflicts: list[Conflict]
    changed: Change
    version: str
    buried: bool = False


class RecordAnswer(Struct, frozen=True):
    """One record, and the position at which it was read."""

    collection: str
    key: str
    value: Value
    conflicts: list[Conflict]
    changed: Change
    version: str
    token: str


class RecordPage(Struct, frozen=True):
    """A page. `next` is the `after_key` of the next one, or null at the end; a page may be short and still have a next one.

    `one_state`: all of it was read from one committed state, which is at `token` or newer. Otherwise each record is as of some
    state at `token` or newer, and two of them need not be of the same one.
    """

    items: list[RecordRow]
    next: str | None
    token: str
    one_state: bool


class StateView(Struct, frozen=True):
    """One topic of one owner's board, and the three things that are never one.

    `enabled`: someone wants it (the configuration's `desired`; null where that says nothing). `healthy`: its owner says so.
    `reachable`: the roster's word on the owner; where it is false, the value is the last known one and `age_s` old.
    """

    topic: str
    owner: str
    owner_node: str
    reachable: bool
    standing: str
    at: float
    age_s: float
    enabled: bool | None
    desired: str | None
    healthy: bool | None
    value: object


class StateList(Struct, frozen=True):
    """State rows. `token` says which configuration `enabled` was taken from."""

    items: list[StateView]
    token: str


class MemberList(Struct, frozen=True):
    """Every member ever heard of, by name."""

    items: list[MemberRow]
    token: str


class WatchOpened(Struct, frozen=True):
    """The number that events of this watch carry."""

    watch: int


class WatchClosed(Struct, frozen=True):
    """Whether there was such a watch."""

    closed: bool


EventType = Literal["RESET", "SNAPSHOT", "SYNC", "CREATE", "UPDATE", "REMOVE", "BOOKMARK", "CLOSED"]


class WatchEvent(Struct, frozen=True, omit_defaults=True):
    """One event of a watch. What does not apply is left out."""

    watch: int
    type: EventType
    key: str = ""
    value: object = None
    owner: str = ""
    changed: list[str] = []
    author: str = ""
    reason: str = ""
    dots: list[str] = []
    token: str = ""
