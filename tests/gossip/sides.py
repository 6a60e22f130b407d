"""Two peers as far as reconcile sees them: a ledger on a disk, boards, and the core itself.

Invariant: what is said arrives in order or is lost, as a test wants it; nothing else happens by itself.
"""

from collections import deque
from collections.abc import Callable
from random import Random

from mesh.crdt.board import Boards, read_delta
from mesh.crdt.effects import Store
from mesh.crdt.events import Merge, Stored
from mesh.crdt.ledger import Ledger
from mesh.crdt.publisher import Publisher
from mesh.crdt.replica import MemoryReplica
from mesh.effects import Emit, GossipEffect, Stream
from mesh.events import Connected, Disconnected, Received, Tick
from mesh.gossip.incoming import Merged
from mesh.gossip.reconcile import OwnHead, Reconcile, ReconcileEvent
from mesh.ids import Boot, Head
from mesh.messages import Batches, Digests, Message
from mesh.messages import Boards as BoardsMessage
from tests.crdt.site import MESH, NOON, Site
from tests.gossip.circle import CONFIG, address, node

SPOKEN_MAX = 2_000  # Two peers that say more than this will never end.


class Side:
    """One peer."""

    def __init__(self, name: str, site: Site | None = None) -> None:
        self.name = name
        self.site = site or Site(name)
        self.boards = Boards(MESH, MemoryReplica())
        self.core = Reconcile(node(name), self.site.ledger, self.boards, CONFIG, Random(name))
        self.own: list[Head | None] = []
        self.told: list[Emit] = []

    @property
    def ledger(self) -> Ledger:
        return self.site.ledger

    def publish(self, version: int, size: int = 1, owner: str = "") -> None:
        source = Publisher(MESH, node(owner or self.name), Boot(1, 1), lambda body: b"", 0.0)
        for number in range(version):
            source.publish("node", "x" * (size - 1) + "ab"[number % 2], number)
            self.boards.merge(*source.flush(number))

    def handle(self, event: ReconcileEvent, now: float = 0.0) -> list[GossipEffect]:
        effects = self.core.handle(event, now)
        self.own += [effect.head for effect in effects if isinstance(effect, OwnHead)]
        self.told += [effect for effect in effects if isinstance(effect, Emit)]
        return [effect for effect in effects if not isinstance(effect, OwnHead)]

    def digests(self) -> Digests:
        return Digests(bytes(16), self.ledger.durable.digest, self.boards.digest)

    def hear(self, sender: str, message: Message, now: float = 0.0) -> list[GossipEffect]:
        received = Received(node(sender), address(sender), message)
        match message:
            case Batches():
                return self._merge(received, message, now)
            case BoardsMessage(deltas):
                for signed in deltas:
                    self.boards.merge(read_delta(signed, MESH), signed)
        return self.handle(received, now)

    def _merge(self, received: Received, message: Batches, now: float) -> list[GossipEffect]:
        said = self.ledger.handle(Merge(received.sender, message.batches, message.certificates), NOON)
        ticket = next((effect.ticket for effect in said if isinstance(effect, Store)), None)
        merged = Merged(received.sender, received.at, message.session, message.more, len(message.batches), ticket)
        effects = self.handle(merged, now)
        for store in (effect for effect in said if isinstance(effect, Store)):
            self.site.disk.write(store.writes)
            self.ledger.handle(Stored(store.ticket), NOON)
            effects += self.handle(Stored(store.ticket), now)
        return effects

    def meet(self, other: "Side", now: float = 0.0) -> list[GossipEffect]:
        return self.handle(Connected(node(other.name), address(other.name), True), now)

    def part(self, other: "Side", now: float = 0.0) -> list[GossipEffect]:
        return self.handle(Disconnected(node(other.name)), now)


Spoken = list[tuple[Side, Stream]]


def talk(one: Side, two: Side, arrives: Callable[[], bool] = lambda: True) -> Spoken:
    """`one` asks, and both answer until they have nothing more to say."""
    return converse(one, two, one.meet(two), arrives)


def converse(one: Side, two: Side, first: list[GossipEffect], arrives: Callable[[], bool] = lambda: True) -> Spoken:
    """`one` has said `first`. Who may send more of a stream is ticked whenever both are silent."""
    spoken: Spoken = []
    queue = deque((one, effect) for effect in first)
    while True:
        while queue:
            speaker, effect = queue.popleft()
            if not isinstance(effect, Stream):
                continue
            spoken.append((speaker, effect))
            assert len(spoken) < SPOKEN_MAX
            hearer = two if speaker is one else one
            if arrives():
                queue += [(hearer, answer) for answer in hearer.hear(speaker.name, effect.message)]
        for side in (one, two):
            if side.core.deadline() <= 0.0:
                queue += [(side, effect) for effect in side.handle(Tick())]
        if not queue:
            return spoken
