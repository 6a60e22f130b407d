"""A simulated machine: a peer, its disks and its clock, on or off.

Invariant: at most one entry of the world's heap can wake the peer, and it does so no later than the peer's deadline.
"""

from collections.abc import Callable
from math import inf
from random import Random

import msgspec
from msgspec import Struct

from mesh.config import Config
from mesh.crdt.events import Stored, StoreFailed
from mesh.crdt.keys import BOOT
from mesh.crdt.replica import MemoryReplica, Table
from mesh.effects import (
    Composed,
    Dial,
    Effect,
    Emit,
    Hangup,
    LookUp,
    NotComposed,
    Posted,
    Send,
    Store,
    StoreLazily,
    Stream,
    Visible,
)
from mesh.events import Connected, DialFailed, Disconnected, Found, Tick
from mesh.gossip.members import NOBODY, Acquaintance
from mesh.gossip.membership import boot_write
from mesh.ids import Address, Boot, MeshId
from mesh.messages import SignedClaim
from mesh.origin import Origin, claim_of
from mesh.peer import Event, Peer
from sim.broken import PeerBroken, explain
from sim.clock import made_clock
from sim.disk import LedgerDisk, Snapshot, SoftDisk, copy_of
from sim.metrics import Metrics
from sim.names import SEEDS, name_of
from sim.network import BODY_BYTES_MAX, PORT, Network
from sim.parcel import Bundle, Datagram, Parcel, Wrapping, bundles
from sim.scenario import Scenario
from sim.slowness import Hindrance, Outgoing
from sim.streams import Streams
from sim.trace import Trace, describe_effect, describe_event
from sim.trust import CheapTrust, certificate_for
from sim.world import World

MESH = MeshId(b"simulated mesh !")
TICKS_AT_ONCE_MAX = 1_000  # A peer that wants to be ticked again and again at one moment would stop time.
_TICK = Tick()


MakePeer = Callable[[Origin, Random, Callable[[int], bytes], float], Peer]
"""What makes the peer of a machine: `Peer` itself, or one with a part of another make."""


class Surroundings(Struct, frozen=True):
    """What all machines of a run share. `seed` starts every chance; `inspect` is called after every event of a peer."""

    seed: str
    scenario: Scenario
    world: World
    network: Network
    streams: Streams
    metrics: Metrics
    trace: Trace
    inspect: Callable[[Peer], None]
    make_peer: MakePeer = Peer


class Node:
    """One machine of the mesh."""

    __slots__ = (
        "_around",
        "_due",
        "_hindrance",
        "_identity",
        "_moves",
        "_outgoing",
        "_soft",
        "_ticks",
        "_trust",
        "_wake_at",
        "_woken_at",
        "_woken_for",
        "_wrapping",
        "address",
        "clock",
        "disk",
        "index",
        "life",
        "name",
        "node",
        "peer",
        "powered",
        "started_at",
        "up",
    )

    def __init__(self, index: int, around: Surroundings, copy_of: str | None = None) -> None:
        """The machine number `index`; with `copy_of` one that runs from a copy of that node's disk, at an address of its own."""
        self._around, self.index, self._identity = around, index, copy_of or name_of(index)
        self.name = name_of(index) if copy_of is None else f"{copy_of}-copy-{index}"
        rng = Random(f"{around.seed}/{self.name}")
        self.address = Address(self.name, PORT)
        self.clock = made_clock(around.scenario.clock, rng)
        self.disk = LedgerDisk(around.world, around.scenario.disk, Random(f"{around.seed}/{self.name}/disk"))
        self._soft = SoftDisk(around.world, around.scenario.disk)
        self._trust = CheapTrust(self._identity)
        self.node = self._trust.read_certificate(certificate_for(self._identity)).node
        self._wrapping = Wrapping(self.node, self.address)
        self.peer: Peer | None = None
        self.up, self.powered, self.life, self.started_at, self._moves = False, True, 0, inf, 0
        self._hindrance: Hindrance | None = None
        self._outgoing: list[tuple[Address, Parcel]] = []
        self._due, self._wake_at, self._woken_for, self._woken_at, self._ticks = inf, inf, inf, -inf, 0

    def start(self, acquaintance: Acquaintance = NOBODY) -> None:
        """Switch the machine on, with a boot above every one that its disk knows."""
        around, self.life = self._around, self.life + 1
        rng, now = self._chance(), around.world.now
        self.clock.restart()
        origin = self._origin(self._next_boot(rng), acquaintance)
        self.peer = around.make_peer(origin, rng, rng.randbytes, self.clock.local(now))
        self.up, self.powered, self.started_at = True, True, now
        around.trace.note(now, self.name, f"starts, boot {origin.boot.count}")
        around.metrics.started(self)
        self._sleep()

    def introduction(self) -> SignedClaim:
        """What it will say of itself when it is switched on for the first time."""
        assert self.life == 0, f"{self.name} was switched on before"
        self.life = 1
        boot = Boot(1, self._chance().getrandbits(64))
        self.life = 0
        body = msgspec.msgpack.encode(claim_of(self._origin(boot, NOBODY)))
        return SignedClaim(body, self._trust.sign(body))

    def befriend(self, book: MemoryReplica) -> None:
        """Have the book of all members on its disk."""
        self._soft.begin_with(book)

    def _chance(self) -> Random:
        """The chance of its present life."""
        return Random(f"{self._around.seed}/{self.name}/{self.life}")

    def _origin(self, boot: Boot, acquaintance: Acquaintance) -> Origin:
        start = self._around.scenario.start
        seeds = [SEEDS] if start.named else [name_of(index) for index in range(start.seeds)]
        return Origin(
            mesh=MESH,
            certificate=certificate_for(self._identity),
            trust=self._trust,
            address=self.address,
            api=f"http://{self.name}",
            boot=boot,
            ledger=self.disk.replica,
            soft=self._soft.replica,
            seeds=tuple(Address(host, PORT) for host in seeds),
            config=Config(self._around.scenario.gossip),
            acquaintance=acquaintance,
        )

    def _next_boot(self, rng: Random) -> Boot:
        row = self._soft.read_row(Table.META, BOOT)
        count = msgspec.msgpack.decode(row, type=Boot).count if row is not None else 0
        boot = Boot(count + 1, rng.getrandbits(64))
        self._soft.write_now((boot_write(boot),))
        return boot

    @property
    def answers(self) -> bool:
        """Whether its process takes part in a handshake now."""
        return self.up and (self._hindrance is None or not self._hindrance.deaf)

    @property
    def hindered(self) -> bool:
        """Whether it is slow, or stands still."""
        return self._hindrance is not None

    def hinder(self, hindrance: Hindrance | None) -> None:
        """Make the machine slow from now on; None: as fast as it was."""
        self._hindrance = hindrance

    def crash(self, silent: bool, lost_disk: bool) -> None:
        """Stop at once. `silent`: the machine is off, otherwise only the process is gone. `lost_disk`: both disks are empty."""
        self.peer, self.up, self.powered = None, False, not silent
        self._wake_at = self._woken_for = inf
        if self._hindrance is not None:
            self._hindrance.forget()
        self._around.trace.note(self._around.world.now, self.name, f"crashes {silent=} {lost_disk=}")
        self._around.metrics.crashed(self)
        if lost_disk:
            self.disk.lose()
            self._soft.lose()
            self._around.metrics.journal.forget(self.index)
        self.disk.cut_power()
        self._soft.cut_power()
        self._around.streams.died(self)

    def move(self) -> None:
        """Get another address, as a machine does whose lease ran out. It has to be down. A seed's name leads to where it is."""
        assert self.peer is None, f"{self.name} is up"
        network, before = self._around.network, self.address
        self._moves += 1
        self.address = Address(f"{self.name}-at-{self._moves}", PORT)
        self._wrapping = Wrapping(self.node, self.address)
        network.detach(before)
        network.attach(self)
        if self.index < self._around.scenario.start.seeds:
            network.names.move(self.name, self.address.host)

    def snapshot(self) -> Snapshot:
        """What its disks hold now."""
        return Snapshot(copy_of(self.disk.replica), copy_of(self._soft.replica))

    def restore(self, snapshot: Snapshot) -> None:
        """Put older contents, or another machine's, onto its disks. It has to be down."""
        assert self.peer is None, f"{self.name} is up"
        self.disk.restore(snapshot.ledger)
        self._soft.restore(snapshot.soft)
        self._around.metrics.journal.forget(self.index)

    def receive(self, datagram: Datagram) -> None:
        """A datagram arrived. A machine that is off hears nothing."""
        if self.peer is None:
            self._around.network.traffic.dropped("down")
        elif isinstance(datagram, Bundle):
            for parcel in datagram.parcels:
                self.receive(parcel)
        elif self._hindrance is None or not self._hindrance.holds(datagram, True):
            self.take(datagram)

    def read(self, parcel: Parcel) -> None:
        """A frame arrived over a stream."""
        if self.peer is None:
            self._around.network.traffic.dropped("down")
        elif self._hindrance is None or not self._hindrance.holds(parcel, False):
            self.take(parcel)

    def connection(self, event: Connected | Disconnected | DialFailed | Found) -> None:
        """Something became of a stream, or of a look-up."""
        self.tell(event)

    def tell(self, event: Event) -> None:
        """Hand an event to the peer, if the machine is up; a slow one gets it later."""
        if self.peer is not None and (self._hindrance is None or not self._hindrance.holds(event, False)):
            self.take(event)

    def take(self, thing: Parcel | Event) -> None:
        """Hand a message or an event to the peer now, if the machine is up."""
        if self.peer is None:
            return
        around = self._around
        if isinstance(thing, Parcel):
            around.trace.note(around.world.now, self.name, thing.came)
            self._handle(self.peer, thing.received)
        else:
            around.trace.note(around.world.now, self.name, describe_event(thing))
            self._handle(self.peer, thing)

    def rest(self) -> None:
        """Tick if that is due, and see to it that the peer is woken at its deadline."""
        if self.peer is None:
            return
        if self.clock.local(self._around.world.now) >= self.peer.deadline():
            self.take(_TICK)
        else:
            self._sleep()

    @property
    def lapses_at(self) -> float:
        """The moment at which the time of a suspicion that the peer holds is over next."""
        return self.clock.when(self.peer.prober.lapses_at) if self.peer is not None else inf

    def let_go(self, effect: Outgoing) -> None:
        """Carry out an effect on the network that had to wait."""
        self._send_off(effect)
        self._post()

    def _stored(self, ticket: int) -> None:
        self.tell(Stored(ticket))

    def _store_failed(self, ticket: int, reason: str) -> None:
        self.tell(StoreFailed(ticket, reason))

    def _handle(self, peer: Peer, event: Event) -> None:
        now = self._around.world.now
        try:
            effects = peer.handle(event, self.clock.local(now))
            self._around.inspect(peer)
        except Exception as error:  # Whatever it is, the run has found something, and must say where.
            raise PeerBroken(f"at {now:.6f} s {self.name} broke on {type(event).__name__}: {explain(error)}") from error
        shared = len(effects) > 1  # By several peers, it may be; the parcel of a message that leaves alone is not kept.
        for effect in effects:
            if type(effect) is Send and self._hindrance is None:  # Most are.
                message = effect.message
                parcel = self._wrapping.wrap(message) if shared else Parcel(self.node, self.address, message)
                self._send(effect.at, parcel)
            else:
                self._carry_out(effect)
        if self._outgoing:
            self._post()
        self._sleep()

    def _send(self, at: Address, parcel: Parcel) -> None:
        """Put a message among what leaves when the event is over; one that is too large for a datagram streams."""
        around = self._around
        around.trace.note(around.world.now, self.name, f"> {at.host} {parcel.label}")
        if parcel.size > BODY_BYTES_MAX:
            around.streams.send(self, at, parcel)
        else:
            self._outgoing.append((at, parcel))

    def _carry_out(self, effect: Effect) -> None:
        around = self._around
        match effect:
            case StoreLazily(writes):
                self._soft.write(writes)
            case Posted():
                around.metrics.ages.hear(self, effect, around.world.now)
            case Send() | Stream() | Dial():
                if self._hindrance is None or not self._hindrance.keeps(effect):
                    self._send_off(effect)
                return
            case Store(ticket, writes):
                self.disk.store(ticket, writes, self._stored, self._store_failed)
            case LookUp(at):
                around.network.look_up(self, at)
            case Hangup(to):
                around.streams.hangup(self, to)
            case Emit() | Visible() | Composed() | NotComposed():
                around.metrics.hear(self, effect)
        around.trace.note(around.world.now, self.name, describe_effect(effect))

    def _send_off(self, effect: Outgoing) -> None:
        around = self._around
        match effect:
            case Send(_, at, message):
                self._send(at, self._wrapping.wrap(message))
            case Stream(_, at, message):
                parcel = self._wrapping.wrap(message)
                around.trace.note(around.world.now, self.name, f"> {at.host} stream {parcel.label}")
                around.streams.send(self, at, parcel)
            case Dial(at):
                around.streams.dial(self, at)
                around.trace.note(around.world.now, self.name, describe_effect(effect))

    def _post(self) -> None:
        """Send what is for one peer in as few datagrams as it fits, as the runtime's loop does."""
        send, outgoing = self._around.network.send, self._outgoing
        if len(outgoing) == 1:  # Mostly.
            send(self, *outgoing.pop())
            return
        together: dict[Address, list[Parcel]] = {}
        for at, parcel in outgoing:
            together.setdefault(at, []).append(parcel)
        outgoing.clear()
        for at, parcels in together.items():
            for datagram in bundles(parcels, BODY_BYTES_MAX) if len(parcels) > 1 else parcels:
                send(self, at, datagram)

    def _sleep(self) -> None:
        """See to it that the peer is woken at its deadline. An entry that comes too early sleeps on."""
        assert self.peer is not None
        self._due = self.peer.deadline()
        if self._due < self._woken_for:  # Otherwise an entry that is no later waits in the heap.
            self._enter()

    def _enter(self) -> None:
        self._woken_for = self._due
        when = max(self.clock.when(max(0.0, self._due)), self._around.world.now)
        if when < self._wake_at:
            self._wake_at = when
            self._around.world.at(self._wake_at, self._wake, self._wake_at)

    def _wake(self, when: float) -> None:
        if self.peer is None or when != self._wake_at:
            return  # It was off meanwhile, or woken by an earlier entry.
        self._wake_at = self._woken_for = inf
        if self._hindrance is not None and self._hindrance.holds_tick():
            return
        if self.clock.local(when) < self._due:  # The peer has been spoken to since: it is not to be woken yet.
            self._enter()
            return
        self._ticks = self._ticks + 1 if when == self._woken_at else 0
        self._woken_at = when
        if self._ticks > TICKS_AT_ONCE_MAX:
            raise PeerBroken(f"at {when:.6f} s {self.name} does not stop to ask for a tick at this very moment")
        self.take(_TICK)
