"""Machines that stand still or crawl: what comes in waits, what goes out waits, and in what order it goes on.

Invariant: nothing that waits is lost but datagrams beyond the socket's buffer and what a crash takes; what is let go keeps its
order.
"""

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Protocol

from mesh.effects import Dial, Send, Stream
from mesh.events import Lapse
from mesh.messages import Ping, PingRequest
from mesh.peer import Event
from sim.parcel import Parcel
from sim.world import World

BUFFER_BYTES = 212_992  # A datagram socket's receive buffer on Linux (net.core.rmem_default).

Outgoing = Send | Stream | Dial


class Input(Protocol):
    """A machine that can be handed what has waited."""

    life: int

    def take(self, thing: Parcel | Event) -> None:
        """Hand the peer a message or an event now."""

    def let_go(self, effect: Outgoing) -> None:
        """Carry out an effect now."""

    def rest(self) -> None:
        """See to it that the peer is woken at its deadline."""

    @property
    def lapses_at(self) -> float:
        """The moment at which the time of a suspicion that the peer holds is over next."""
        ...


class Hindrance(Protocol):
    """What stands between a machine and the world."""

    def holds(self, thing: Parcel | Event, datagram: bool) -> bool:
        """Whether something that came in does not get through now; it is kept, or dropped as a full buffer does."""

    def keeps(self, effect: Outgoing) -> bool:
        """Whether an effect on the network has to wait."""

    def holds_tick(self) -> bool:
        """Whether the peer's clock has to wait. Whoever holds it lets the machine `rest` again later."""

    def forget(self) -> None:
        """The process is gone, and with it all that waits."""

    @property
    def deaf(self) -> bool:
        """Whether a handshake gets no answer now."""


class Standstill:
    """A gate that is shut, or a frozen process, until it is opened."""

    __slots__ = ("_bytes", "_freezes", "_inbox", "_outbox", "dropped")

    def __init__(self, freezes: bool) -> None:
        self._freezes = freezes
        self._inbox: deque[Parcel | Event] = deque()
        self._outbox: deque[Outgoing] = deque()
        self._bytes = 0
        self.dropped = 0

    def holds(self, thing: Parcel | Event, datagram: bool) -> bool:
        if not isinstance(thing, Parcel):
            if self._freezes:
                self._inbox.append(thing)
            return self._freezes
        if datagram:
            if self._bytes + thing.size > BUFFER_BYTES:
                self.dropped += 1
                return True
            self._bytes += thing.size
        self._inbox.append(thing)
        return True

    def keeps(self, effect: Outgoing) -> bool:
        self._outbox.append(effect)
        return True

    def holds_tick(self) -> bool:
        return self._freezes

    def forget(self) -> None:
        self._inbox.clear()
        self._outbox.clear()
        self._bytes = 0

    @property
    def deaf(self) -> bool:
        return True

    def open(self, machine: Input, ticks_first: bool) -> None:
        """Let the machine go on. What it was about to send leaves first; then its clock and its buffers are looked at."""
        life, outbox, inbox = machine.life, list(self._outbox), list(self._inbox)
        self.forget()
        for effect in outbox:
            machine.let_go(effect)
        if ticks_first:
            machine.rest()
        for thing in inbox:
            if machine.life == life:
                machine.take(thing)
        machine.rest()


class Blocked(Standstill):
    """A program of threads, of which each stands still before it sends and after it received (Lifeguard §5.1, memberlist).

    So a probe is begun, waits with its ping, and fails as soon as the ping may leave; no other is begun until then. Clocks of
    suspicions are threads that send nothing: they end them meanwhile.
    """

    __slots__ = ("_is_open", "_life", "_machine", "_probes", "_world")

    def __init__(self, world: World, machine: Input) -> None:
        super().__init__(freezes=True)
        self._world, self._machine, self._life = world, machine, machine.life
        self._is_open = self._probes = False

    def keeps(self, effect: Outgoing) -> bool:
        if not self._probes and isinstance(effect, Send) and isinstance(effect.message, (Ping, PingRequest)):
            self._probes = True
            self._wait()
        return super().keeps(effect)

    def holds_tick(self) -> bool:
        return self._probes

    def _wait(self) -> None:
        at = self._machine.lapses_at
        if at < inf:
            self._world.at(at, self._lapse, at)

    def _lapse(self, _: float) -> None:
        if not self._is_open and self._machine.life == self._life:
            self._machine.take(Lapse())
            self._wait()

    def open(self, machine: Input, ticks_first: bool) -> None:
        """Let the threads go on. Each finds that its time is over before it sees what came meanwhile."""
        self._is_open = True
        super().open(machine, ticks_first=True)


class Crawl:
    """A machine on which each event takes its time, and the next one waits for it."""

    __slots__ = ("_busy_until", "_bytes", "_cost_s", "_life", "_machine", "_tick_waits", "_world", "dropped")

    def __init__(self, world: World, machine: Input, cost_s: float) -> None:
        self._world, self._machine, self._cost_s = world, machine, cost_s
        self._busy_until, self._bytes, self._life = 0.0, 0, 0
        self._tick_waits = False
        self.dropped = 0

    def holds(self, thing: Parcel | Event, datagram: bool) -> bool:
        size = thing.size if datagram and isinstance(thing, Parcel) else 0
        if size and self._bytes + size > BUFFER_BYTES:
            self.dropped += 1
            return True
        self._bytes += size
        self._queue(self._serve, (self._life, thing, size))
        return True

    def keeps(self, effect: Outgoing) -> bool:
        return False

    def holds_tick(self) -> bool:
        if not self._tick_waits:
            self._tick_waits = True
            self._queue(self._tick, self._life)
        return True

    def forget(self) -> None:
        self._life += 1
        self._bytes, self._busy_until, self._tick_waits = 0, 0.0, False

    @property
    def deaf(self) -> bool:
        return False

    def _queue(self, serve: Callable[..., None], order: object) -> None:
        self._busy_until = max(self._busy_until, self._world.now) + self._cost_s
        self._world.at(self._busy_until, serve, order)

    def _serve(self, order: tuple[int, Parcel | Event, int]) -> None:
        life, thing, size = order
        if life == self._life:
            self._bytes -= size
            self._machine.take(thing)

    def _tick(self, life: int) -> None:
        if life == self._life:
            self._tick_waits = False
            self._machine.rest()
