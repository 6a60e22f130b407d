"""What clients send and get about whole batches: what is left of a transaction, and what an intent has done so far.

Invariant: as in `mesh/api/shapes.py`.
"""

from msgspec import Struct

from mesh.api.provenance import Kinds
from mesh.api.shapes import Reading, Text
from mesh.crdt.standing import BatchStanding, Fate


class ShowTransaction(Reading, frozen=True, kw_only=True):
    """Which batch: a dot of one of its changes, or `writer.number`, as a receipt names both.

    Where it holds several writes of one author, a dot means the one that its change was asked for with.
    """

    batch: Text


class ShowIntent(Reading, frozen=True, kw_only=True):
    """Which undertaking."""

    intent: Text


class Replacement(Struct, frozen=True):
    """A change that took the place of another."""

    dot: str
    kind: Kinds
    value: object
    author: str
    at: float
    reason: str
    peer: str


class TransactionChange(Struct, frozen=True):
    """One change of a batch. `live`: it still holds; else `replaced_by` says what took its place."""

    collection: str
    key: str
    field: str
    kind: Kinds
    value: object
    dot: str
    live: bool
    replaced_by: list[Replacement]


class TransactionAnswer(Struct, frozen=True):
    """A batch. `standing`: current, partly superseded, superseded, void or held; of the last two `why` says why."""

    batch: str
    standing: BatchStanding
    why: str
    live: int
    author: str
    at: float
    reason: str
    intent: str
    position: str
    writer: str
    peer: str
    changes: list[TransactionChange]
    token: str


class IntentBatch(Struct, frozen=True):
    """One batch of an undertaking."""

    batch: str
    position: str
    author: str
    at: float
    reason: str
    changes: int
    fate: Fate


class IntentRecord(Struct, frozen=True):
    """What an undertaking has done to a record: its fields; "" is a bury or restore."""

    collection: str
    key: str
    fields: list[str]


class IntentAnswer(Struct, frozen=True):
    """What this peer knows of an undertaking so far, by its batches that count."""

    intent: str
    batches: list[IntentBatch]
    records: list[IntentRecord]
    token: str
