"""Spread pushes what is new to peers at once, not at a tick (DESIGN §8).

Invariant: a batch or delta is pushed by each peer at most once, when it first becomes durable here; what gets lost is reconcile's.
"""

from random import Random

from msgspec import Struct

from mesh.config import GossipConfig
from mesh.crdt.batch import OpenBatch
from mesh.crdt.board import SignedDelta
from mesh.crdt.effects import Stocked
from mesh.crdt.log import certificates_for
from mesh.crdt.replica import Replica
from mesh.effects import GossipEffect, Send, Stream
from mesh.gossip.roster import Roster
from mesh.ids import NodeId
from mesh.messages import Batches, Boards, Message

INLINE_BYTES = 1_000  # What fits a datagram of 1,200 bytes beside its seal.
PARCEL_BYTES = 256 * 1024  # One frame: small enough that a probe behind it in the stream waits milliseconds.


class Fresh(Struct, frozen=True):
    """A board's delta that is new here; `source` is None for this node's own."""

    signed: SignedDelta
    source: NodeId | None


SpreadEvent = Stocked | Fresh


class Spread:
    """Who gets news of data from us, and how."""

    def __init__(self, roster: Roster, config: GossipConfig, rng: Random, replica: Replica) -> None:
        self._roster, self._config, self._rng, self._replica = roster, config, rng, replica

    def deadline(self) -> float:
        """Spread waits for nothing: it acts at once or not at all."""
        return float("inf")

    def handle(self, event: SpreadEvent, now: float) -> list[GossipEffect]:
        """Pass on what is new."""
        match event:
            case Stocked(batches, source):
                return self._push_batches(batches, source)
            case Fresh(signed, source):
                return self._push(Boards((signed,)), len(signed.body), source)

    def _push_batches(self, batches: tuple[OpenBatch, ...], source: NodeId | None) -> list[GossipEffect]:
        effects: list[GossipEffect] = []
        parcel: list[OpenBatch] = []
        size = 0
        for opened in batches:
            if parcel and size + len(opened.batch.content) > PARCEL_BYTES:
                effects += self._push_parcel(parcel, size, source)
                parcel, size = [], 0
            parcel.append(opened)
            size += len(opened.batch.content) + len(opened.batch.signature)
        return [*effects, *self._push_parcel(parcel, size, source)]

    def _push_parcel(self, parcel: list[OpenBatch], size: int, source: NodeId | None) -> list[GossipEffect]:
        with self._replica.read() as reader:
            certificates = certificates_for(reader, parcel)
        size += sum(map(len, certificates))
        return self._push(Batches(tuple(opened.batch for opened in parcel), certificates), size, source)

    def _push(self, message: Message, size: int, source: NodeId | None) -> list[GossipEffect]:
        effects: list[GossipEffect] = []
        for node in self._targets(source):
            if (at := self._roster.address(node)) is not None:
                effects.append((Send if size <= INLINE_BYTES else Stream)(node, at, message))
        return effects

    def _targets(self, source: NodeId | None) -> list[NodeId]:
        """The origin pushes to `push_fanout` peers. Others pass it on only where that cannot have reached everybody."""
        others = [node for node in self._roster.others() if node != source]
        if source is not None and len(others) < self._config.push_fanout:
            return []
        fanout = self._config.push_fanout if source is None else self._config.relay_fanout
        return self._rng.sample(others, min(fanout, len(others)))
