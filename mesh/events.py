"""All that the world may tell a peer.

Invariant: an event is a value; the moment it happened is handed in beside it.
"""

from msgspec import Struct

from mesh.ids import Address, NodeId
from mesh.messages import Message


class Received(Struct, frozen=True, gc=False):
    """`sender` said `message`. Over a stream its TLS certificate proves who it is, in a datagram the seal proves membership.

    `streamed`: it came over a stream, and an answer gets there the same way, whatever stands in the way of datagrams.
    """

    sender: NodeId
    at: Address
    message: Message
    streamed: bool = False


class Connected(Struct, frozen=True):
    """There is a stream to `node` now, which listens at `at` (as far as is known)."""

    node: NodeId
    at: Address
    dialled: bool


class Disconnected(Struct, frozen=True):
    """The last stream to `node` ended."""

    node: NodeId


class DialFailed(Struct, frozen=True):
    """Nobody of this mesh answered at `at`. `refused`: the machine did, and nobody listens on that port.

    `turned_away`: a node listens there and does not let this one in; `reason` says why.
    """

    at: Address
    reason: str
    refused: bool = False
    turned_away: bool = False


class Found(Struct, frozen=True):
    """The name service has these `addresses` behind `at`, itself where it is no name; none where it does not know it."""

    at: Address
    addresses: tuple[Address, ...]


class Publish(Struct, frozen=True):
    """Set a topic of this node's own board; None takes it away."""

    topic: str
    value: object


class Leave(Struct, frozen=True):
    """This node is going away on purpose."""


class Tick(Struct, frozen=True):
    """A deadline has passed."""


class Lapse(Struct, frozen=True):
    """The time of a suspicion is over, in a program whose clocks go on while all that sends or receives stands still."""
