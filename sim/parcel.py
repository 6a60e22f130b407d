"""A message under way: encoded once, however many peers get it.

Invariant: two parcels with equal labels carry the same bytes.
"""

from hashlib import blake2b

from msgspec.structs import replace

from mesh.events import Received
from mesh.ids import Address, NodeId
from mesh.messages import Message
from mesh.wire import encode_body

RECENT_MAX = 4  # Parcels that a node keeps: the messages of one event go out together.


class Parcel:
    """One message of one sender. `size` is its bytes on the wire, without what a datagram or a frame adds."""

    __slots__ = ("came", "kind", "label", "received", "size")

    def __init__(self, sender: NodeId, at: Address, message: Message) -> None:
        body = encode_body(message)
        self.kind = type(message).__name__
        self.size = len(body)
        self.label = f"{self.kind} {self.size} {blake2b(body, digest_size=8).hexdigest()}"
        self.came = f"< {self.label}"
        self.received = Received(sender, at, message)

    def framed(self) -> "Parcel":
        """The same in a frame of a stream."""
        frame = Parcel.__new__(Parcel)
        frame.kind, frame.size, frame.label, frame.came = self.kind, self.size, self.label, self.came
        frame.received = replace(self.received, streamed=True)
        return frame


class Bundle:
    """Several messages to one peer in one datagram, as the runtime coalesces them: they arrive together, or none does."""

    __slots__ = ("parcels", "size")

    def __init__(self, parcels: list[Parcel]) -> None:
        self.parcels = parcels
        self.size = sum(parcel.size for parcel in parcels)


Datagram = Parcel | Bundle


def bundles(parcels: list[Parcel], size_max: int) -> list[Datagram]:
    """As few datagrams as parcels fit in their order, each of at most `size_max` bytes; none of the parcels is larger."""
    packed: list[list[Parcel]] = []
    room = 0
    for parcel in parcels:
        if parcel.size > room:
            packed.append([])
            room = size_max
        packed[-1].append(parcel)
        room -= parcel.size
    return [pack[0] if len(pack) == 1 else Bundle(pack) for pack in packed]


class Wrapping:
    """Makes one node's parcels. A message that is sent to several peers within one event becomes one parcel."""

    __slots__ = ("_at", "_recent", "_sender")

    def __init__(self, sender: NodeId, at: Address) -> None:
        self._sender, self._at = sender, at
        self._recent: dict[int, Parcel] = {}  # By the message's identity, which is its own while its parcel is here.

    def wrap(self, message: Message) -> Parcel:
        """The parcel of `message`."""
        parcel = self._recent.get(id(message))
        if parcel is None:
            if len(self._recent) >= RECENT_MAX:
                self._recent.clear()
            parcel = self._recent[id(message)] = Parcel(self._sender, self._at, message)
        return parcel
