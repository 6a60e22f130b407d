"""All that a core may ask of the world.

Invariant: effects are values, comparable with `==`; their order carries no meaning; a `Send` or `Stream` may be lost.
"""

from msgspec import Struct

from mesh.crdt.board import Item
from mesh.crdt.effects import Composed, Emit, NotComposed, Store, StoreLazily, Visible
from mesh.ids import Address, NodeId
from mesh.messages import Message

__all__ = [
    "Composed",
    "Dial",
    "Effect",
    "Emit",
    "Hangup",
    "LookUp",
    "NotComposed",
    "Send",
    "Store",
    "StoreLazily",
    "Stream",
    "Visible",
]


class Send(Struct, frozen=True, gc=False):
    """Put `message` into a datagram to `to`. One that does not fit goes over a stream."""

    to: NodeId
    at: Address
    message: Message


class Stream(Struct, frozen=True, gc=False):
    """Send `message` over the stream to `to`, which is opened where there is none. Its queue is bounded."""

    to: NodeId
    at: Address
    message: Message


class Dial(Struct, frozen=True):
    """Open a stream to whoever listens at `at`; answer with Connected or DialFailed."""

    at: Address


class LookUp(Struct, frozen=True):
    """Ask the name service for all addresses behind `at`; answer with Found."""

    at: Address


class Hangup(Struct, frozen=True):
    """Close the stream to `to`."""

    to: NodeId


class Posted(Struct, frozen=True, gc=False):
    """Items of `owner`'s board are new here."""

    owner: NodeId
    items: tuple[Item, ...]


GossipEffect = Send | Stream | Dial | LookUp | Hangup | StoreLazily | Emit
Effect = GossipEffect | Store | Visible | Composed | NotComposed | Posted
OUTWARD = frozenset((Send, Posted, Stream, Visible, Store, Emit, Dial, LookUp, Hangup, Composed, NotComposed))
"""The types of effects that concern no other core."""
