"""What a ledger reacts to: one frozen value per event.

Invariant: whoever hands in a `Stored` or `StoreFailed` does so in the order of the tickets.
"""

from msgspec import Struct

from mesh.crdt.batch import Batch
from mesh.crdt.compose import Edit
from mesh.crdt.damage import Mend
from mesh.crdt.ends import SignedEnd
from mesh.ids import NodeId, WriterId


class Merge(Struct, frozen=True):
    """Batches that `source` sent, and the certificates that it thought we might need to verify them."""

    source: NodeId
    batches: tuple[Batch, ...]
    certificates: tuple[bytes, ...] = ()


class Compose(Struct, frozen=True):
    """An author's write, to become one batch of this node's writer. `request` comes back with the answer."""

    request: int
    edits: tuple[Edit, ...]
    author: str
    about: dict[str, str] = {}


class ComposeTogether(Struct, frozen=True):
    """Writes of one author who says the same of each, to become one batch; no two change one record. Each request is answered.

    Where it cannot be carried out because of one of them, nothing was changed and all hear so: each can be tried alone.
    """

    writes: tuple[Compose, ...]


class TakeEnds(Struct, frozen=True):
    """Ends of writers, signed by the mesh's admin. `source` is None where they were handed in here.

    Answered with `request` once they are durable; one that is known already changes nothing.
    """

    ends: tuple[SignedEnd, ...]
    source: NodeId | None = None
    request: int | None = None


class OpenEra(Struct, frozen=True):
    """This node's disk was copied or restored: go on as a new writer. The old one's batches stay what they are."""

    reason: str


class Confirm(Struct, frozen=True):
    """An author's write that would change nothing: answer `request` once the state that it agrees with is durable."""

    request: int


class Retry(Struct, frozen=True):
    """The moment of `deadline()` has come."""


class RetryHeld(Struct, frozen=True):
    """Try held batches again, those of `writer` or all (None). Answered with `request` once what came of it is durable."""

    request: int
    writer: WriterId | None = None


class Stored(Struct, frozen=True):
    """The writes of `ticket`, and of every ticket asked for before it, are on disk."""

    ticket: int


class StoreFailed(Struct, frozen=True):
    """The writes of `ticket`, and of every ticket asked for after it, are not on disk and will not be."""

    ticket: int
    reason: str


LedgerEvent = (
    Merge | TakeEnds | Compose | ComposeTogether | Confirm | OpenEra | Mend | Retry | RetryHeld | Stored | StoreFailed
)
