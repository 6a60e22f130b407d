"""What a client is told of batches, and of the undertakings that they belong to.

Invariant: as in mesh/client/answers.py, what a newer peer says beyond it is passed over.
"""

from msgspec import Struct

from mesh.client.answers import EndSaid


class Replacement(Struct, frozen=True):
    """A change that took the place of another."""

    dot: str
    kind: str
    value: object
    author: str
    at: float
    reason: str = ""
    peer: str = ""


class TransactionChange(Struct, frozen=True):
    """One change of a batch, and what took its place."""

    collection: str
    key: str
    field: str
    kind: str
    value: object
    dot: str
    live: bool
    replaced_by: list[Replacement] = []


class Transaction(Struct, frozen=True):
    """A batch, and what is left of it."""

    batch: str
    standing: str
    author: str
    at: float
    changes: list[TransactionChange]
    live: int = 0
    why: str = ""
    reason: str = ""
    intent: str = ""
    position: str = ""
    peer: str = ""
    token: str = ""


class ReceiptState(Struct, frozen=True):
    """What became of a batch: "applied", "void", "held", "revoked" or "unknown"; `why` in words, `end` by whom it was revoked."""

    batch: str
    dot: str
    state: str
    why: str = ""
    end: EndSaid | None = None


class ReceiptStates(Struct, frozen=True):
    """What became of some batches, in the order asked for."""

    items: list[ReceiptState]
    token: str = ""


class IntentBatch(Struct, frozen=True):
    """One batch of an undertaking."""

    batch: str
    position: str
    author: str
    at: float
    changes: int
    fate: str = "applied"
    reason: str = ""


class IntentRecord(Struct, frozen=True):
    """The fields of a record that an undertaking has written; "" is a bury or restore."""

    collection: str
    key: str
    fields: list[str]


class Intent(Struct, frozen=True):
    """What an undertaking has done so far, as far as the peer knows."""

    intent: str
    batches: list[IntentBatch]
    records: list[IntentRecord]
    token: str = ""
