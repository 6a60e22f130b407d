"""Slow machines keep what comes, in its order, and go on.

Invariant: the machine here only takes down what it is handed, and when.
"""

from math import inf

from mesh.effects import Dial, Send, Stream
from mesh.events import Publish, Tick
from mesh.messages import Nack, Ping
from mesh.peer import Event
from sim.parcel import Parcel
from sim.slowness import BUFFER_BYTES, Blocked, Crawl, Standstill
from sim.world import World
from tests.sim.mesh import Listening, scenario
from tests.sim.station import Listener, parcel

NEWS = Publish("node", 1)


class Machine:
    """Takes down what it is handed, and the moment of it."""

    def __init__(self, world: World) -> None:
        self.life, self.world = 1, world
        self.suspicions: list[float] = []
        self.log: list[tuple[float, str]] = []

    def take(self, thing: Parcel | Event) -> None:
        self.log.append((self.world.now, thing.label if isinstance(thing, Parcel) else type(thing).__name__))

    def let_go(self, effect: Send | Stream | Dial) -> None:
        self.log.append((self.world.now, f"> {type(effect).__name__}"))

    def rest(self) -> None:
        self.log.append((self.world.now, "rest"))

    @property
    def lapses_at(self) -> float:
        return min((at for at in self.suspicions if at > self.world.now), default=inf)

    def said(self) -> list[str]:
        return [text for _, text in self.log]


def test_a_gate_keeps_messages_and_lets_the_machine_itself_go_on() -> None:
    gate = Standstill(freezes=False)
    assert (gate.holds(parcel("a"), True), gate.holds(NEWS, False), gate.holds_tick(), gate.deaf) == (
        True,
        False,
        False,
        True,
    )


def test_a_frozen_process_keeps_everything() -> None:
    frozen = Standstill(freezes=True)
    assert (frozen.holds(parcel("a"), True), frozen.holds(NEWS, False), frozen.holds_tick()) == (True, True, True)


def test_what_waited_goes_on_in_its_order_and_what_was_to_leave_leaves_first() -> None:
    for ticks_first, wanted in (
        (True, ["> Dial", "rest", "a", "Publish", "b", "rest"]),
        (False, ["> Dial", "a", "Publish", "b", "rest"]),
    ):
        machine, frozen = Machine(World()), Standstill(freezes=True)
        for thing in (parcel("a"), NEWS, parcel("b")):
            frozen.holds(thing, True)
        frozen.keeps(Dial(Listener(1).address))
        frozen.open(machine, ticks_first)
        assert machine.said() == wanted


def test_a_full_buffer_drops_datagrams_and_no_frames() -> None:
    machine, gate, one = Machine(World()), Standstill(freezes=False), parcel("a")
    fit = BUFFER_BYTES // one.size
    for _ in range(fit + 10):
        gate.holds(one, True)
    gate.holds(one, False)
    gate.open(machine, ticks_first=False)
    assert (gate.dropped, machine.said().count("a")) == (10, fit + 1)


def test_a_crash_forgets_what_waited() -> None:
    machine, gate = Machine(World()), Standstill(freezes=False)
    gate.holds(parcel("a"), True)
    gate.forget()
    gate.open(machine, ticks_first=False)
    assert machine.said() == ["rest"]


def ping(machine: Listener) -> Send:
    return Send(machine.node, machine.address, Ping(1, b""))


def test_the_threads_of_a_blocked_member_begin_one_probe_and_only_suspicions_run_out_then() -> None:
    machine, other = Machine(World()), Listener(1)
    machine.suspicions = [3.0, 5.0, 9.0]
    blocked = Blocked(machine.world, machine)
    blocked.keeps(Send(other.node, other.address, Nack(1, other.node)))
    assert not blocked.holds_tick()
    machine.world.run(1.0)
    blocked.keeps(ping(other))
    assert blocked.holds_tick()
    machine.world.run(6.0)
    assert machine.log == [(3.0, "Lapse"), (5.0, "Lapse")]
    blocked.holds(parcel("a"), True)
    blocked.open(machine, ticks_first=False)
    machine.world.run(10.0)
    assert machine.said() == ["Lapse", "Lapse", "> Send", "> Send", "rest", "a", "rest"]


def test_the_suspicions_of_a_process_that_is_gone_do_not_run_out() -> None:
    machine = Machine(World())
    machine.suspicions = [3.0]
    Blocked(machine.world, machine).keeps(ping(Listener(1)))
    machine.life = 2
    machine.world.run(4.0)
    assert machine.log == []


def test_on_a_slow_processor_each_event_waits_for_those_before() -> None:
    world = World()
    machine = Machine(world)
    crawl = Crawl(world, machine, 0.5)
    for label in ("a", "b"):
        crawl.holds(parcel(label), True)
    assert (crawl.holds_tick(), crawl.holds_tick()) == (True, True)
    world.run(10.0)
    assert machine.log == [(0.5, "a"), (1.0, "b"), (1.5, "rest")]
    crawl.holds(NEWS, False)
    crawl.forget()
    world.run(20.0)
    assert len(machine.log) == 3


def test_a_blocked_member_goes_on_ticking_and_a_frozen_one_does_not() -> None:
    for freezes, ticks in ((False, True), (True, False)):
        listening = Listening(scenario(workload={"writes_per_s": 0}))
        listening.world.run(10.0)
        node = listening.nodes[0]
        node.hinder(Standstill(freezes))
        assert node.peer is not None
        listening.world.run(12.5)
        behind = node.clock.local(listening.world.now) - node.peer.deadline()
        assert (behind < 0.0) is ticks
        assert not node.answers


def test_a_tick_on_a_slow_machine_is_a_tick() -> None:
    listening = Listening(scenario(workload={"writes_per_s": 0}))
    listening.world.run(10.0)
    node = listening.nodes[0]
    node.hinder(Crawl(listening.world, node, 0.01))
    listening.world.run(15.0)
    node.hinder(None)
    assert node.peer is not None
    node.take(Tick())
    listening.world.run(30.0)
    assert len(listening.alive_at(node)) == 4
