"""Posting: this node's board goes out, and the boards of others come in (DESIGN §6).

Invariant: only a delta that its owner signed is taken over, and each is passed on once. A board in this node's own name that is
newer than its own is of a life that its disk forgot: it is outranked, or others would hold it for ever.
"""

from msgspec import Struct

from mesh.crdt.board import Boards, Delta, SignedDelta, read_delta
from mesh.crdt.effects import StoreLazily
from mesh.crdt.publisher import Publisher
from mesh.crdt.replica import Write
from mesh.effects import Emit, GossipEffect, Posted
from mesh.errors import MalformedMessage
from mesh.events import Publish, Received, Tick
from mesh.gossip.roster import Roster
from mesh.gossip.spread import Fresh, Update
from mesh.ids import Boot, MeshId, NodeId, short
from mesh.messages import Boards as BoardsMessage
from mesh.security.trust import Trust


class Rebooted(Struct, frozen=True):
    """This node took a higher boot: its board begins again."""

    boot: Boot


FORGOTTEN_S = (
    5.0  # A claim with such a boot, if anybody has it, comes first: it tells more of that life than its board.
)


class Forgotten(Struct, frozen=True):
    """Somebody holds a board of this node with a boot that is not of this life, higher than its own, and in nobody's roster."""

    boot: Boot


PostingEvent = Publish | Received | Rebooted | Tick
Said = GossipEffect | Posted | Fresh | Forgotten


class Taken:
    """What was taken over of one message."""

    __slots__ = ("posted", "rows", "updates")

    def __init__(self) -> None:
        self.rows: list[Write] = []
        self.posted: list[Posted] = []
        self.updates: list[Update] = []

    def told(self, source: NodeId | None) -> list[Said]:
        """What follows from it: rows to keep, what is to be shown, and news for others, all together."""
        if not self.rows:
            return []
        return [StoreLazily(tuple(self.rows)), *self.posted, Fresh(tuple(self.updates), source)]


class Posting:
    """Keeps the boards and publishes this node's own."""

    __slots__ = ("_boards", "_forgotten", "_mesh", "_outrank_at", "_publisher", "_roster", "_topics", "_trust")

    def __init__(self, mesh: MeshId, roster: Roster, boards: Boards, trust: Trust, now: float) -> None:
        self._mesh, self._roster, self._boards, self._trust = mesh, roster, boards, trust
        self._topics: dict[str, object] = {}
        self._publisher = Publisher(mesh, roster.me, roster.own.claim.boot, trust.sign, now)
        self._forgotten: Boot | None = None
        self._outrank_at = float("inf")

    def deadline(self) -> float:
        """When this node's next delta is due, or a boot that its disk forgot is outranked."""
        return min(self._publisher.deadline(), self._outrank_at)

    def handle(self, event: PostingEvent, now: float) -> list[Said]:
        """React to one event."""
        match event:
            case Received(sender, _, BoardsMessage(deltas=deltas)):
                return self._on_deltas(sender, deltas, now)
            case Publish(topic, value):
                self._set(topic, value, now)
                return []
            case Rebooted(boot):
                self._publisher = Publisher(self._mesh, self._roster.me, boot, self._trust.sign, now)
                for topic, value in self._topics.items():
                    self._publisher.publish(topic, value, now)
                return []
            case Tick():
                flushed = self._publisher.flush(now)
                taken = Taken()
                if flushed is not None:
                    self._take(*flushed, taken)
                return [*taken.told(None), *self._outrank(now)]
            case _:
                raise AssertionError("this message is not posting's to answer")

    def _set(self, topic: str, value: object, now: float) -> None:
        self._topics[topic] = value
        if value is None:
            del self._topics[topic]
        self._publisher.publish(topic, value, now)

    def _on_deltas(self, sender: NodeId, deltas: tuple[SignedDelta, ...], now: float) -> list[Said]:
        taken = Taken()
        for signed in deltas:
            try:
                self._on_delta(signed, taken, now)
            except MalformedMessage as error:  # What came before it was taken over, and must be told.
                return [*taken.told(sender), Emit("peer.malformed", {"node": sender.hex(), "reason": str(error)})]
        return taken.told(sender)

    def _on_delta(self, signed: SignedDelta, taken: Taken, now: float) -> None:
        delta = read_delta(signed, self._mesh)
        owner = self._roster.get(delta.owner)
        if owner is None or not self._boards.follows(delta) or self._is_present(delta):
            return  # An unknown owner's board comes again once its claim has: the digests still differ.
        if not self._trust.verify(owner.claim.key, signed.signature, signed.body):
            raise MalformedMessage(f"a board in the name of {short(delta.owner)} is not signed by its owner")
        if delta.owner == self._roster.me:
            self._note_life(delta.boot, now)
        self._take(delta, signed, taken)

    def _is_present(self, delta: Delta) -> bool:
        return delta.owner == self._roster.me and delta.boot == self._roster.own.claim.boot

    def _note_life(self, boot: Boot, now: float) -> None:
        """Our board of another life is held as others hold it until this life's next delta, which has to outrank it."""
        if boot > self._roster.own.claim.boot and self._forgotten is None:
            self._forgotten, self._outrank_at = boot, now + FORGOTTEN_S

    def _outrank(self, now: float) -> list[Said]:
        if self._forgotten is None or now < self._outrank_at:
            return []
        forgotten, self._forgotten, self._outrank_at = self._forgotten, None, float("inf")
        return [Forgotten(forgotten)] if forgotten > self._roster.own.claim.boot else []

    def _take(self, delta: Delta, signed: SignedDelta, taken: Taken) -> None:
        removed = self._boards.removed_by(delta)
        row = self._boards.merge(delta, signed)
        if row is not None:
            taken.rows.append(row)
            taken.posted.append(Posted(delta.owner, (*delta.items, *removed)))
            taken.updates.append(Update(signed, delta.owner if delta.start == 0 else None))
