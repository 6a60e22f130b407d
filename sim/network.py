"""The simulated network: who can reach whom, and datagrams between them.

Invariant: a datagram arrives not at all, once or twice, never at a machine in another part of a cut network; what leaves or enters
the cut, or meets any other obstacle, vanishes without a sign.
"""

from collections.abc import Sequence
from random import Random
from typing import Protocol

from mesh.events import Connected, DialFailed, Disconnected, Found
from mesh.ids import Address, NodeId
from sim.capacity import Lines
from sim.delays import compile_delays, local
from sim.losses import BurstLoss, Rules, chance_of
from sim.names import LOOK_UP_S, Names, name_of
from sim.nat import Translators
from sim.parcel import Datagram, Parcel
from sim.scenario import NetworkModel
from sim.traffic import Traffic
from sim.world import World

PORT = 1  # Where every simulated node listens. What a stream comes from is another port, as in real life.
BODY_BYTES_MAX = 1_103  # A datagram of 1,200 bytes less its seal and the packet's head; the runtime's ROOM.
DATAGRAM_OVERHEAD_BYTES = 86  # Its seal, and the packet's version, sender and array heads.
IP_BYTES = 48  # Of IPv6 and UDP: what an MTU counts too.


class Station(Protocol):
    """What the network knows of a machine. `life` grows with every start of its process; `powered` answers for the machine."""

    index: int
    node: NodeId
    address: Address
    life: int
    up: bool
    powered: bool

    @property
    def answers(self) -> bool:
        """Whether its process runs and takes part in a handshake now."""
        ...

    def receive(self, datagram: Datagram) -> None:
        """A datagram arrived."""

    def read(self, parcel: Parcel) -> None:
        """A frame arrived over a stream."""

    def connection(self, event: Connected | Disconnected | DialFailed | Found) -> None:
        """Something became of a stream, or of a look-up."""


class Network:
    """Delays, losses and cuts, which datagrams and streams share."""

    __slots__ = (
        "_bursts",
        "_delay",
        "_groups",
        "_lines",
        "_mtu",
        "_plain",
        "_stations",
        "_translators",
        "model",
        "names",
        "places",
        "rng",
        "rules",
        "traffic",
        "world",
    )

    def __init__(self, world: World, model: NetworkModel, rng: Random, nodes: int = 0, seeds: int = 0) -> None:
        """A network for `nodes` machines, of which the first `seeds` are everybody's. Raises UsageError for a poor model."""
        self.world, self.model, self.rng = world, model, rng
        self.traffic, self.rules = Traffic(), Rules()
        self.names = Names([name_of(index) for index in range(seeds)])
        self._stations: dict[str, Station] = {}
        self._groups: dict[int, int] = {}
        if model.delays is None:
            self.places = local(model.delay_s, model.jitter_s, rng)
        else:
            self.places = compile_delays(model.delays, nodes, rng)
        self._delay, self._mtu = self.places.delay, model.mtu_bytes
        self._bursts = BurstLoss(model.bursts, rng) if model.bursts is not None else None
        self._lines = Lines(model.capacity) if model.capacity is not None else None
        hideable = range(min(seeds, nodes), nodes)
        self._translators = Translators(model.nat, hideable, rng) if model.nat is not None else None
        self._plain = self._bursts is None and self._translators is None and self._mtu is None

    def attach(self, station: Station) -> None:
        """Plug a machine in."""
        self._stations[station.address.host] = station

    def detach(self, at: Address) -> None:
        """Nobody is at this address any more."""
        del self._stations[at.host]

    def find(self, at: Address) -> Station | None:
        """Who listens at an address; at a name, who listens where it leads first."""
        if at.port != PORT:
            return None
        station = self._stations.get(at.host)
        if station is None and (behind := self.names.behind(at)):
            return self._stations.get(behind[0].host)
        return station

    def look_up(self, source: Station, at: Address) -> None:
        """Tell a machine what is behind an address, as soon as the name service answers."""
        self.world.at(self.world.now + LOOK_UP_S, self._answer, (source, source.life, at))

    def _answer(self, order: tuple[Station, int, Address]) -> None:
        source, life, at = order
        if source.up and source.life == life:
            source.connection(Found(at, self.names.behind(at)))

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

    def admits_streams(self, source: Station, target: Station) -> bool:
        """Whether `source` may dial `target`: no cut, no translator and no rule that loses everything stands between them."""
        if self.separated(source, target):
            return False
        if self._translators is not None and target.index in self._translators.hidden:
            return False
        return self.stream_loss(source, target) < 1.0 and self.stream_loss(target, source) < 1.0

    def delay(self, source: Station, target: Station) -> float:
        """One way through the network, in seconds."""
        return self._delay(source.index, target.index)

    def send(self, source: Station, at: Address, parcel: Datagram) -> None:
        """Send a datagram. The caller has made sure that it fits."""
        size = parcel.size + DATAGRAM_OVERHEAD_BYTES
        if isinstance(parcel, Parcel):
            self.traffic.sent(parcel.kind, size)
        else:
            self.traffic.sent_together(parcel.parcels, DATAGRAM_OVERHEAD_BYTES)
        target = self.find(at)
        if target is None or self.separated(source, target):
            self.traffic.dropped("cut")
            return
        model, luck = self.model, self.rng.random()
        if luck < model.loss:
            self.traffic.dropped("loss")
            return
        if not self._plain or self.rules.datagrams:
            reason = self._obstacle(source.index, target.index, size)
            if reason:
                self.traffic.dropped(reason)
                return
        self._deliver(source, target, parcel)
        if luck > 1.0 - model.duplicates:
            self._deliver(source, target, parcel)

    def stream_loss(self, source: Station, target: Station) -> float:
        """With which probability a packet of a stream is lost now."""
        kept = 1.0 - self.model.loss
        if self._bursts is not None:
            kept *= 1.0 - self._bursts.chance(source.index, target.index, self.world.now)
        if self.rules.streams:
            kept *= 1.0 - chance_of(self.rules.streams, source.index, target.index)
        return 1.0 - kept

    def stream_wait(self, source: Station, target: Station, size: int) -> float:
        """How long a frame waits for the lines of both ends, in seconds."""
        if self._lines is None:
            return 0.0
        now = self.world.now
        up = self._lines.pass_up(source.index, size, now, patient=True) or 0.0
        return up + (self._lines.pass_down(target.index, size, now, patient=True) or 0.0)

    def _obstacle(self, source: int, target: int, size: int) -> str:
        """What stops a datagram: one word, empty where nothing does."""
        if self._mtu is not None and size + IP_BYTES > self._mtu:
            return "mtu"
        now = self.world.now
        if self._translators is not None and not self._translators.admits(source, target, now):
            return "nat"
        if self._bursts is not None and self.rng.random() < self._bursts.chance(source, target, now):
            return "burst"
        rules = self.rules.datagrams
        if rules and self.rng.random() < chance_of(rules, source, target):
            return "rule"
        return ""

    def _deliver(self, source: Station, target: Station, parcel: Datagram) -> None:
        when = self.world.now + self._delay(source.index, target.index)
        if self.rng.random() < self.model.reordered:
            when += self.model.reordered_s
        if self._lines is None:
            self.world.at(when, target.receive, parcel)
            return
        size = parcel.size + DATAGRAM_OVERHEAD_BYTES
        wait = self._lines.pass_up(source.index, size, self.world.now, patient=False)
        if wait is None:
            self.traffic.dropped("full line")
        else:
            self.world.at(when + wait, self._arrive, (target, parcel))

    def _arrive(self, order: tuple[Station, Datagram]) -> None:
        """A datagram stands before the last line."""
        target, parcel = order
        assert self._lines is not None
        now = self.world.now
        wait = self._lines.pass_down(target.index, parcel.size + DATAGRAM_OVERHEAD_BYTES, now, patient=False)
        if wait is None:
            self.traffic.dropped("full line")
        else:
            self.world.at(now + wait, target.receive, parcel)
