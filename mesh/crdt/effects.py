"""What the ledger and the board ask of the world.

Invariant: an effect is a value; the order of the effects of one call carries no meaning.
"""

from msgspec import Struct

from mesh.crdt.batch import OpenBatch
from mesh.crdt.damage import Damaged
from mesh.crdt.ends import SignedEnd
from mesh.crdt.replica import Write, Writes
from mesh.errors import MeshError
from mesh.ids import Head, NodeId

Fact = str | int | float | bool


class Store(Struct, frozen=True):
    """Write all of `writes` in one transaction of the ledger's environment; answer with Stored or StoreFailed."""

    ticket: int
    writes: Writes


class StoreLazily(Struct, frozen=True, gc=False):
    """Write when convenient, to the boards' environment; nobody waits for it and losing it is harmless."""

    writes: tuple[Write, ...]


class Visible(Struct, frozen=True):
    """These batches are durable here, in an order that respects causality; void and held ones are not among them."""

    batches: tuple[OpenBatch, ...]


class Stocked(Struct, frozen=True):
    """These batches are durable here for the first time, whatever their fate: they may be passed on to other peers."""

    batches: tuple[OpenBatch, ...]
    source: NodeId | None


class Ended(Struct, frozen=True):
    """These ends are durable here for the first time: they may be passed on to other peers."""

    ends: tuple[SignedEnd, ...]
    source: NodeId | None


class Composed(Struct, frozen=True):
    """The write asked for by `request` is durable here, in batch `head` from change `first` on; None: it changed nothing."""

    request: int
    head: Head | None
    first: int = 0


class NotComposed(Struct, frozen=True):
    """The write asked for by `request` was not stored. Nothing was changed."""

    request: int
    error: MeshError


class Gap(Struct, frozen=True):
    """`source` has batches that do not follow on what is here: reconcile with it."""

    source: NodeId


class Emit(Struct, frozen=True):
    """Something worth knowing happened: the log line, the metric, the row on the page are all made from this."""

    name: str
    about: dict[str, Fact]


LedgerEffect = Store | Visible | Stocked | Ended | Composed | NotComposed | Gap | Damaged | Emit
