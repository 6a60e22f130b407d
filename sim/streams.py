"""Simulated streams: reliable and in order, until somebody dies or the network is cut.

Invariant: what arrives over one stream is a beginning of what was sent over it, in that order; a stream that lost anything
delivers nothing more, and each side that had it open hears of its end once.
"""

from collections import deque
from math import inf

from mesh.events import Connected, DialFailed, Disconnected
from mesh.ids import Address
from sim.network import Network, Station
from sim.parcel import Parcel

FRAME_OVERHEAD_BYTES = 27  # Length, version, and a TLS 1.3 record.
HANDSHAKE_DELAYS = 5  # TCP, TLS 1.3 and the welcome: five times through the network before the first byte.
WAITING_BYTES_MAX = 16 * 1024 * 1024  # The runtime's outbox.
EPHEMERAL_PORT = 50_000
REFUSED = "connection refused"
PACKET_BYTES = 1_400
FAST_PACKETS = 4  # So many packets make a train in which three answers in a row tell of a lost one (RFC 5681 §3.2).


class Link:
    """The stream between two stations. Per side: whether it is open there, and when the last frame to it arrives."""

    __slots__ = ("arrives", "broken", "ends", "open", "waiting", "waiting_bytes")

    def __init__(self, one: Station, other: Station) -> None:
        self.ends = (one, other)
        self.open = [False, False]
        self.arrives = [0.0, 0.0]
        self.broken = False
        self.waiting: deque[tuple[int, Parcel]] = deque()  # Frames that wait for the handshake, by the side they go to.
        self.waiting_bytes = 0

    @property
    def whole(self) -> bool:
        """Whether frames get through both ways, as far as anybody can know."""
        return all(self.open) and not self.broken

    @property
    def opening(self) -> bool:
        """Whether it was never open."""
        return not any(self.open) and not self.broken

    def side_of(self, station: Station) -> int:
        """Which of the two ends this station is."""
        return 0 if self.ends[0] is station else 1


_Key = tuple[int, int]


class Streams:
    """All streams of the simulated network."""

    __slots__ = ("_dialling", "_links", "_network")

    def __init__(self, network: Network) -> None:
        self._network = network
        self._links: dict[_Key, Link] = {}
        self._dialling: dict[tuple[int, int, str], None] = {}

    def send(self, source: Station, at: Address, parcel: Parcel) -> None:
        """Send a frame; a stream is opened where there is none."""
        self._network.traffic.sent(parcel.kind, parcel.size + FRAME_OVERHEAD_BYTES)
        parcel = parcel.framed()
        target = self._network.find(at)
        if target is None or target is source:
            self._network.traffic.dropped("nobody there")
            return
        key = _key(source, target)
        link = self._links.get(key)
        if link is None or not (link.open[link.side_of(source)] or link.opening):
            link = self._links[key] = Link(source, target)
        if link.opening:
            self._wait(link, target, parcel)
            self.dial(source, at)
        else:
            self._transmit(link, target, parcel)

    def dial(self, source: Station, at: Address) -> None:
        """Open a stream to whoever listens at `at`. A second dial to where one is under way is none."""
        network = self._network
        attempt = (source.index, source.life, at.host)
        if attempt in self._dialling:
            return
        self._dialling[attempt] = None
        target = network.find(at)
        took = min(self._handshake_s(source, target), network.model.dial_timeout_s) if target is not None else 0.0
        network.world.at(network.world.now + took, self._answer, (source, at, network.world.now, attempt))

    def hangup(self, source: Station, to: bytes) -> None:
        """Close the stream to a node."""
        for link in [link for link in self._links.values() if source in link.ends]:
            other = link.ends[1 - link.side_of(source)]
            if other.node == to:
                link.broken = True
                self._notice((link, link.side_of(source)))
                self._notice_later(link, link.side_of(other), self._network.delay(source, other))

    def reset(self, station: Station) -> None:
        """Break all streams of a machine, as a router does that has forgotten them."""
        for link in [link for link in self._links.values() if station in link.ends]:
            link.broken = True
            for side in (0, 1):
                self._notice_later(link, side, self._network.delay(*link.ends))

    def died(self, station: Station) -> None:
        """A machine's process is gone: its ends are closed, and the others notice as its machine lets them."""
        for key, link in list(self._links.items()):
            if station not in link.ends:
                continue
            side = link.side_of(station)
            near = self._network.delay(station, link.ends[1 - side])
            wait = near if station.powered else self._network.model.notice_s
            link.open[side] = False
            link.broken = True
            if link.open[1 - side]:
                self._notice_later(link, 1 - side, wait)
            else:
                del self._links[key]

    def _wait(self, link: Link, target: Station, parcel: Parcel) -> None:
        if link.waiting_bytes + parcel.size > WAITING_BYTES_MAX:
            self._network.traffic.dropped("full queue")
            return
        link.waiting_bytes += parcel.size
        link.waiting.append((link.side_of(target), parcel))

    def _transmit(self, link: Link, target: Station, parcel: Parcel) -> None:
        network, side = self._network, link.side_of(target)
        world, source = network.world, link.ends[1 - side]
        size = parcel.size + FRAME_OVERHEAD_BYTES
        resends = self._resends_s(source, target, size)
        if resends > network.model.notice_s or network.stream_loss(target, source) >= 1.0:  # Nothing, or no word of it.
            self._notice_later(link, 1 - side, network.model.notice_s)
        if resends > network.model.notice_s:
            network.traffic.dropped("lost on a stream")
            link.broken = True
            self._notice_later(link, side, network.model.notice_s)
            return
        took = network.delay(source, target) + parcel.size / network.model.bandwidth_byte_s + resends
        when = world.now + took + network.stream_wait(source, target, size)
        link.arrives[side] = max(link.arrives[side], when)
        world.at(link.arrives[side], self._arrive, (link, side, parcel))

    def _resends_s(self, source: Station, target: Station, size: int) -> float:
        """How much later a frame comes because packets of it were lost; infinite where none gets through."""
        network = self._network
        loss = network.stream_loss(source, target)
        if loss <= 0.0:
            return 0.0
        if loss >= 1.0:
            return inf
        packets = 1 + size // PACKET_BYTES
        if network.rng.random() >= 1.0 - (1.0 - loss) ** packets:
            return 0.0
        train = packets >= FAST_PACKETS  # Those behind the lost one come, and their answers tell of it after one round.
        waited = 2.0 * network.delay(source, target) if train else network.model.resend_s
        timer = 2.0 * network.model.resend_s
        while waited <= network.model.notice_s and network.rng.random() < loss:
            waited, timer = waited + timer, 2.0 * timer
        return waited

    def _handshake_s(self, source: Station, target: Station) -> float:
        """How long until a stream is open, with what is lost on the way."""
        ends = ((source, target), (target, source))
        steps = [ends[step % 2] for step in range(HANDSHAKE_DELAYS)]
        return sum(self._resends_s(*step, 0) + self._network.delay(*step) for step in steps)

    def _arrive(self, order: tuple[Link, int, Parcel]) -> None:
        link, side, parcel = order
        target, source = link.ends[side], link.ends[1 - side]
        if not link.broken and self._network.separated(source, target):
            link.broken = True
            for end in (0, 1):
                self._notice_later(link, end, self._network.model.notice_s)
        if link.broken or not link.open[side]:
            self._network.traffic.dropped("broken stream")
            if target.powered and not link.open[side] and not self._network.separated(source, target):
                self._notice_later(
                    link, 1 - side, self._network.delay(target, source)
                )  # The other machine knows no such stream.
            return
        target.read(parcel)

    def _notice_later(self, link: Link, side: int, wait_s: float) -> None:
        world = self._network.world
        world.at(world.now + wait_s, self._notice, (link, side))

    def _notice(self, order: tuple[Link, int]) -> None:
        link, side = order
        if not link.open[side]:
            return
        link.open[side] = False
        station, other = link.ends[side], link.ends[1 - side]
        key = _key(station, other)
        if self._links.get(key) is link:  # Otherwise there is a newer stream, and this was not the last.
            if not any(link.open):
                del self._links[key]
            station.connection(Disconnected(other.node))

    def _answer(self, order: tuple[Station, Address, float, tuple[int, int, str]]) -> None:
        """The handshake has come through, or never will."""
        source, at, since, attempt = order
        target, network = self._network.find(at), self._network
        if target is source and source.up and source.life == attempt[1]:  # By a name: it meets itself.
            self._dialling.pop(attempt, None)
            source.connection(Connected(source.node, at, True))
            return
        reached = target is not None and target.powered and network.admits_streams(source, target)
        too_late = network.world.now >= since + network.model.dial_timeout_s
        if target is not None and target is not source and target.answers and reached and not too_late:
            self._established(source, target, attempt)
            return
        silence = target is None or not reached or too_late or target.up
        wait_until = since + network.model.dial_timeout_s if silence else network.world.now
        reason = f"no answer within {network.model.dial_timeout_s:g} s" if silence else REFUSED
        network.world.at(wait_until, self._failed, (source, at, reason, attempt))

    def _established(self, source: Station, target: Station, attempt: tuple[int, int, str]) -> None:
        self._dialling.pop(attempt, None)
        if not source.up or source.life != attempt[1]:
            return
        key = _key(source, target)
        link = self._links.get(key)
        if link is None or not (link.whole or link.opening):
            link = self._links[key] = Link(source, target)
        link.open = [True, True]
        source.connection(Connected(target.node, Address(attempt[2], target.address.port), True))
        target.connection(Connected(source.node, Address(source.address.host, EPHEMERAL_PORT), False))
        while link.waiting:
            side, parcel = link.waiting.popleft()
            self._transmit(link, link.ends[side], parcel)
        link.waiting_bytes = 0

    def _failed(self, order: tuple[Station, Address, str, tuple[int, int, str]]) -> None:
        source, at, reason, attempt = order
        self._dialling.pop(attempt, None)
        if not source.up or source.life != attempt[1]:
            return
        target = self._network.find(at)
        if target is not None and (link := self._links.get(_key(source, target))) is not None and link.opening:
            for _ in link.waiting:
                self._network.traffic.dropped("no stream")
            del self._links[_key(source, target)]
        source.connection(DialFailed(at, reason, reason == REFUSED))


def _key(one: Station, other: Station) -> _Key:
    return (one.index, other.index) if one.index < other.index else (other.index, one.index)
