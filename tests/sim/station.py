"""A machine that only listens, for tests of the network alone.

Invariant: what it was given is kept in the order in which it came.
"""

from hashlib import sha256

from mesh.events import Connected, DialFailed, Disconnected, Found
from mesh.ids import Address, NodeId
from mesh.messages import Gossip
from sim.network import PORT
from sim.parcel import Bundle, Datagram, Parcel


class Listener:
    """A station. `got` holds the labels of parcels, `heard` what became of streams."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.node = NodeId(sha256(str(index).encode()).digest()[:16])
        self.address = Address(f"host{index}", PORT)
        self.life, self.up, self.powered = 1, True, True
        self.got: list[str] = []
        self.heard: list[Connected | Disconnected | DialFailed | Found] = []

    @property
    def answers(self) -> bool:
        """It answers whenever it is up."""
        return self.up

    def receive(self, datagram: Datagram) -> None:
        """Keep what is in a datagram."""
        for parcel in datagram.parcels if isinstance(datagram, Bundle) else [datagram]:
            self.read(parcel)

    def read(self, parcel: Parcel) -> None:
        """Keep a parcel."""
        self.got.append(parcel.label)

    def connection(self, event: Connected | Disconnected | DialFailed | Found) -> None:
        """Keep what became of a stream."""
        self.heard.append(event)

    def kinds(self) -> list[str]:
        """What became of streams, by name."""
        return [type(event).__name__ for event in self.heard]


def parcel(label: str = "p") -> Parcel:
    """A parcel that is told apart by its label."""
    made = Parcel(NodeId(bytes(16)), Address("host0", PORT), Gossip(()))
    made.label = label
    return made
