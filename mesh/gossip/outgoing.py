"""Outgoing: what peers lack leaves as a stream of parcels, each allowed by the peer that gets it (DESIGN §8).

Invariant: no more parcels are under way to a peer than it gave credit for, and no call reads more of the log than one parcel.
"""

from collections.abc import Iterable

from msgspec import Struct

from mesh.crdt.ledger import Ledger
from mesh.crdt.log import Difference, Stretch, Unreadable
from mesh.effects import Emit, GossipEffect, Stream
from mesh.ids import Address, NodeId, WriterId
from mesh.messages import CREDIT_MAX, Batches, Heads, More

PARCEL_BYTES = 128 * 1024  # Read in a slice of about 2 ms, and so is
PARCEL_BATCHES = 128  # a parcel of small ones; a probe behind it in the stream waits as long.
SILENCE_S = 5.0  # A peer that asks for no more in this time has gone, or asks somebody else.


class Delivery(Struct):
    """What one peer is being sent."""

    at: Address
    session: int
    credit: int
    moved_at: float
    difference: Difference


class Outgoing:
    """All deliveries."""

    __slots__ = ("_deliveries", "_ledger", "_told")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._deliveries: dict[NodeId, Delivery] = {}
        self._told: dict[WriterId, int] = {}

    def deadline(self) -> float:
        """At once while there is something that may be sent."""
        return 0.0 if any(d.credit for d in self._deliveries.values()) else float("inf")

    def serves(self, peer: NodeId, now: float) -> bool:
        """Whether `peer` is in the midst of taking what it lacks."""
        delivery = self._deliveries.get(peer)
        return delivery is not None and now < delivery.moved_at + SILENCE_S

    def begin(self, to: tuple[NodeId, Address], heads: Heads, stretches: Iterable[Stretch], now: float) -> None:
        """The peer lacks `stretches`, and has said so in `heads`. A new session ends an older one: it was cut."""
        peer, at = to
        delivery = self._deliveries.get(peer)
        if delivery is None or delivery.session != heads.session:
            delivery = self._deliveries[peer] = Delivery(at, heads.session, heads.credit, now, Difference())
        delivery.difference.add(stretches)

    def allow(self, peer: NodeId, more: More, now: float) -> None:
        """The peer has stored a parcel and takes others."""
        delivery = self._deliveries.get(peer)
        if delivery is not None and delivery.session == more.session:
            delivery.credit = min(delivery.credit + more.credit, CREDIT_MAX)
            delivery.moved_at = now

    def forget(self, peer: NodeId) -> None:
        """The peer is gone."""
        self._deliveries.pop(peer, None)

    def send_some(self) -> list[GossipEffect]:
        """One parcel to the peer that has waited longest for one."""
        peer = next((peer for peer, delivery in self._deliveries.items() if delivery.credit), None)
        if peer is None:
            return []
        delivery = self._deliveries.pop(peer)
        with self._ledger.read_durable() as reader:
            parcel = delivery.difference.take(reader, PARCEL_BYTES, PARCEL_BATCHES)
        if parcel.more:
            self._deliveries[peer] = delivery  # Behind all others.
        effects: list[GossipEffect] = [*self._tell(delivery.difference.unreadable())]
        if parcel.batches or not parcel.more:
            delivery.credit -= 1
            message = Batches(parcel.batches, parcel.certificates, parcel.more, delivery.session)
            effects.append(Stream(peer, delivery.at, message))
        return effects

    def _tell(self, found: Iterable[Unreadable]) -> list[Emit]:
        """Batches that this disk has lost: told once each, so that somebody repairs it."""
        news = [row for row in found if self._told.get(row.writer) != row.number]
        self._told.update({row.writer: row.number for row in news})
        return [
            Emit("ledger.unreadable", {"writer": row.writer.hex(), "number": row.number, "reason": row.reason})
            for row in news
        ]
