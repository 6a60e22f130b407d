"""What clients send and get about conflicts and the past: who wrote what, when, where and why.

Invariant: as in `mesh/api/shapes.py`; every answer names the position that it speaks of.
"""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from mesh.api.shapes import PAGE, Change, Conflict, Dots, Limit, Reading, Text, Token, Value, Writing
from mesh.crdt.standing import BatchStanding

Moment = Token | float
"""A token from an earlier answer, or a time: seconds since 1970, or ISO 8601 with an offset."""

Kinds = Literal["put", "clear", "bury", "restore"]
Standing = Literal["shown", "buried", "none"]


class ListConflicts(Reading, frozen=True, kw_only=True):
    """What is to be settled, in one collection or in all; `after_key` is the `next` of the page before."""

    collection: Text = ""
    prefix: Text = ""
    after_key: Text = ""
    limit: Limit = PAGE


class ResolveConflict(Writing, frozen=True, kw_only=True):
    """Settle the conflict of a field: `take` the value of one of its changes (a dot), or give a `value`; null clears.

    `seen` are the dots of the values that were looked at, or the version of the conflict; where others are there, it is refused.
    """

    collection: Text
    key: Text
    field: Text
    seen: Text | Dots
    take: Text = ""
    value: object | UnsetType = UNSET


class RecordHistory(Reading, frozen=True, kw_only=True):
    """The newest `limit` changes of a record, in order of time; `before` is the `next` of a page, and asks for older ones."""

    collection: Text
    key: Text
    limit: Limit = PAGE
    before: Text = ""


class RecordBlame(Reading, frozen=True, kw_only=True):
    """Who wrote what is shown of a record, field by field."""

    collection: Text
    key: Text


class ShowAt(Reading, frozen=True, kw_only=True):
    """A record as it was at a token or at a time."""

    collection: Text
    key: Text
    at: Moment


class DiffRecord(Reading, frozen=True, kw_only=True):
    """What differs in a record between two tokens or times."""

    collection: Text
    key: Text
    a: Moment
    b: Moment


class RevertRecord(Writing, frozen=True, kw_only=True):
    """Make a record again what it was at a token or at a time, as a new change."""

    collection: Text
    key: Text
    to: Moment


# ---- answers


class Version(Struct, frozen=True):
    """One live change of a field (or bury of the record), with the peer that it was made at."""

    field: str
    kind: Kinds
    value: object
    shown: bool
    author: str
    at: float
    dot: str
    writer: str
    peer: str


class FieldConflict(Struct, frozen=True):
    """A field in conflict: its values, the shown one first, and by which policy; see `Conflict`."""

    field: str
    values: list[Version]
    policy: str
    withheld: bool
    mark: str
    version: str


class ConflictRow(Struct, frozen=True):
    """A record with something to settle. `late`: edits made while it was being buried, by people who did not know."""

    collection: str
    key: str
    buries: list[Version]
    conflicts: list[FieldConflict]
    late: list[Version]


class ConflictPage(Struct, frozen=True):
    """A page. `next` is the `after_key` of the next one, or null at the end; a page may be short and still have a next one."""

    items: list[ConflictRow]
    next: str | None
    token: str


class HistoryRow(Struct, frozen=True):
    """One change. `replaced` are the changes that it was made over; the field of a bury or restore is "".

    `revoked` says why, where an admin has ended the writer before this change: it has no effect any more.
    """

    field: str
    kind: Kinds
    value: object
    author: str
    at: float
    reason: str
    intent: str
    dot: str
    writer: str
    peer: str
    batch: str
    replaced: list[str]
    live: bool
    batch_standing: BatchStanding
    revoked: str = ""


class HistoryAnswer(Struct, frozen=True):
    """The changes, oldest first. `truncated`: there are older ones, behind the cursor `next`. `total`: all that there are."""

    collection: str
    key: str
    items: list[HistoryRow]
    truncated: bool
    next: str | None
    total: int
    token: str


class BlameRow(Struct, frozen=True):
    """Who gave a field its shown value. `conflict`: others gave it another one at the same time."""

    field: str
    value: object
    author: str
    at: float
    reason: str
    dot: str
    peer: str
    batch: str
    conflict: bool


class EndSaid(Struct, frozen=True):
    """The end that took a batch: its writer, the last number that stays, which admin signed it, why and when."""

    writer: str
    number: int
    author: str
    reason: str
    at: float


class RevokedRow(Struct, frozen=True):
    """The newest change of a field that an end took: it has no effect any more, whatever it had been."""

    field: str
    kind: Kinds
    value: object
    author: str
    at: float
    reason: str
    dot: str
    peer: str
    batch: str
    end: EndSaid | None


class BlameAnswer(Struct, frozen=True):
    """The shown fields of a record; of a buried one those that a restore would show. `revoked`: what ends took of it."""

    collection: str
    key: str
    buried: bool
    items: list[BlameRow]
    revoked: list[RevokedRow]
    token: str


class RecordThen(Struct, frozen=True):
    """A record as it was. `standing` none: it did not exist, and `changed` is null. `token` is the position it was folded at."""

    collection: str
    key: str
    standing: Standing
    value: Value
    conflicts: list[Conflict]
    changed: Change | None
    token: str


class FieldDiff(Struct, frozen=True):
    """One field that differs; null where there is no value."""

    field: str
    kind: Literal["added", "removed", "changed"]
    a: object
    b: object


class RecordDiff(Struct, frozen=True):
    """A record at two moments, and the fields that differ."""

    a: RecordThen
    b: RecordThen
    fields: list[FieldDiff]
