"""The simulated network: who can reach whom, and datagrams between them.

Invariant: a datagram arrives not at all, once or twice, never at a machine in another part of a cut network; what leaves or enters
the cut vanishes without a sign.
"""

from collections.abc import Sequence
from random import Random
from typing import Protocol

from mesh.events import Connected, DialFailed, Disconnected
from mesh.ids import Address, NodeId
from sim.parcel import Parcel
from sim.scenario import NetworkModel
from sim.traffic import Traffic
from sim.world import World

PORT = 1  # Where every simulated node listens. What a stream comes from is another port, as in real life.
BODY_BYTES_MAX = 1_103  # A datagram of 1,200 bytes less its seal and the packet's head; the runtime's ROOM.
DATAGRAM_OVERHEAD_BYTES = 97


class Station(Protocol):
    """What the network knows of a machine. `life` grows with every start of its process; `powered` answers for the machine."""

    index: int
    node: NodeId
    address: Address
    life: int
    up: bool
    powered: bool

    def receive(self, parcel: Parcel) -> None:
        """A message arrived."""

    def connection(self, event: Connected | Disconnected | DialFailed) -> None:
        """Something became of a stream."""


class Network:
    """Delays, losses and cuts, which datagrams and streams share."""

    __slots__ = ("_groups", "_stations", "model", "rng", "traffic", "world")

    def __init__(self, world: World, model: NetworkModel, rng: Random) -> None:
        self.world, self.model, self.rng = world, model, rng
        self.traffic = Traffic()
        self._stations: dict[str, Station] = {}
        self._groups: dict[int, int] = {}

    def attach(self, station: Station) -> None:
        """Plug a machine in."""
        self._stations[station.address.host] = station

    def find(self, at: Address) -> Station | None:
        """Who listens at an address."""
        return self._stations.get(at.host) if at.port == PORT else None

    def cut(self, groups: Sequence[Sequence[int]]) -> None:
        """Let only stations of one group, given by their indices, reach each other. Who is in no group is alone with its like."""
        self._groups = {index: number for number, group in enumerate(groups, 1) for index in group}

    def heal(self) -> None:
        """Let everybody reach everybody."""
        self._groups = {}

    def separated(self, one: Station, other: Station) -> bool:
        """Whether the cut runs between two stations."""
        groups = self._groups
        return bool(groups) and groups.get(one.index, 0) != groups.get(other.index, 0)

    def delay(self) -> float:
        """One way through the network, in seconds."""
        model = self.model
        return model.delay_s + (self.rng.expovariate(1.0 / model.jitter_s) if model.jitter_s else 0.0)

    def send(self, source: Station, at: Address, parcel: Parcel) -> None:
        """Send a datagram. The caller has made sure that it fits."""
        self.traffic.sent(parcel.kind, parcel.size + DATAGRAM_OVERHEAD_BYTES)
        target = self.find(at)
        if target is None or self.separated(source, target):
            self.traffic.dropped("cut")
            return
        model, luck = self.model, self.rng.random()
        if luck < model.loss:
            self.traffic.dropped("loss")
            return
        self._deliver(target, parcel)
        if luck > 1.0 - model.duplicates:
            self._deliver(target, parcel)

    def _deliver(self, target: Station, parcel: Parcel) -> None:
        late = self.model.reordered_s if self.rng.random() < self.model.reordered else 0.0
        self.world.at(self.world.now + self.delay() + late, target.receive, parcel)
