"""Streams keep their order, break when somebody dies or the network is cut, and say so.

Invariant: what arrives over one stream is a beginning of what was sent over it.
"""

from random import Random

import pytest

from mesh.events import DialFailed
from mesh.ids import Address
from sim.losses import Rule
from sim.network import Network
from sim.scenario import NetworkModel
from sim.streams import EPHEMERAL_PORT, Streams
from sim.world import World
from tests.sim.station import Listener, parcel

MODEL = NetworkModel(loss=0.2, jitter_s=0.05, reordered=0.5, notice_s=5, dial_timeout_s=3)


class Line:
    """Two stations and what lies between them."""

    def __init__(self) -> None:
        self.world = World()
        self.network = Network(self.world, MODEL, Random(1))
        self.streams = Streams(self.network)
        self.ada, self.bob = Listener(0), Listener(1)
        self.network.attach(self.ada)
        self.network.attach(self.bob)

    def say(self, *labels: str) -> None:
        for label in labels:
            self.streams.send(self.ada, self.bob.address, parcel(label))

    def kill(self, station: Listener, powered: bool) -> None:
        station.up, station.powered = False, powered
        self.streams.died(station)

    def revive(self, station: Listener) -> None:
        station.up, station.powered = True, True
        station.life += 1


@pytest.fixture
def line() -> Line:
    return Line()


def test_frames_arrive_in_order_and_none_is_lost(line: Line) -> None:
    labels = [str(number) for number in range(500)]
    for label in labels:
        line.say(label)
        line.world.run(line.world.now + 0.01)
    line.world.run(60)
    assert line.bob.got == labels
    assert line.ada.kinds() == line.bob.kinds() == ["Connected"]


def test_both_sides_are_connected_and_one_of_them_dialled(line: Line) -> None:
    line.say("hello")
    line.world.run(10)
    [here], [there] = line.ada.heard, line.bob.heard
    assert (here.dialled, here.at) == (True, line.bob.address)  # type: ignore[union-attr]
    assert (there.dialled, there.at.port) == (False, EPHEMERAL_PORT)  # type: ignore[union-attr]


def test_a_second_dial_while_one_is_under_way_is_none(line: Line) -> None:
    line.streams.dial(line.ada, line.bob.address)
    line.streams.dial(line.ada, line.bob.address)
    line.world.run(10)
    assert line.ada.kinds() == ["Connected"]


def test_a_dial_to_a_dead_process_is_refused_at_once_and_to_a_dead_machine_times_out(line: Line) -> None:
    line.kill(line.bob, powered=True)
    line.streams.dial(line.ada, line.bob.address)
    line.world.run(1.5)
    assert line.ada.heard == [DialFailed(line.bob.address, "connection refused", refused=True)]
    line.kill(line.bob, powered=False)
    line.streams.dial(line.ada, line.bob.address)
    line.world.run(4.0)
    assert len(line.ada.heard) == 1
    line.world.run(5.0)
    assert line.ada.heard[1] == DialFailed(line.bob.address, "no answer within 3 s")


def test_a_dial_to_nobody_times_out(line: Line) -> None:
    line.streams.dial(line.ada, Address("nowhere", 1))
    line.world.run(10)
    assert line.ada.kinds() == ["DialFailed"]


def test_the_end_of_a_process_is_noticed_at_once_and_that_of_a_machine_late(line: Line) -> None:
    line.say("hello")
    line.world.run(10)
    line.kill(line.bob, powered=True)
    line.world.run(11)
    assert line.ada.kinds() == ["Connected", "Disconnected"]
    line.revive(line.bob)
    line.say("again")
    line.world.run(20)
    line.kill(line.bob, powered=False)
    line.world.run(20 + MODEL.notice_s - 0.1)
    assert line.ada.kinds() == ["Connected", "Disconnected", "Connected"]
    line.world.run(20 + MODEL.notice_s)
    assert line.ada.kinds()[-1] == "Disconnected"


def test_a_machine_that_is_back_says_that_it_knows_no_such_stream(line: Line) -> None:
    line.say("hello")
    line.world.run(10)
    line.kill(line.bob, powered=False)
    line.world.run(11)
    line.revive(line.bob)
    line.say("lost")
    line.world.run(13)
    line.say("found")
    line.world.run(20)
    assert line.bob.got == ["hello", "found"]
    assert line.ada.kinds() == ["Connected", "Disconnected", "Connected"]


def test_a_stream_that_lost_something_in_a_cut_delivers_nothing_more(line: Line) -> None:
    line.say("before")
    line.world.run(10)
    line.network.cut([[0], [1]])
    line.say("lost")
    line.world.run(12)
    line.network.heal()
    line.say("too late")
    line.world.run(30)
    assert line.bob.got == ["before"]
    assert line.ada.kinds() == line.bob.kinds() == ["Connected", "Disconnected"]


def test_an_idle_stream_survives_a_cut_that_nobody_noticed(line: Line) -> None:
    line.say("before")
    line.world.run(10)
    line.network.cut([[0], [1]])
    line.world.run(60)
    line.network.heal()
    line.say("after")
    line.world.run(70)
    assert line.bob.got == ["before", "after"]
    assert line.ada.kinds() == ["Connected"]


def test_hanging_up_is_heard_on_both_sides(line: Line) -> None:
    line.say("hello")
    line.world.run(10)
    line.streams.hangup(line.ada, line.bob.node)
    line.world.run(11)
    assert line.ada.kinds() == line.bob.kinds() == ["Connected", "Disconnected"]


def test_what_waits_for_a_stream_that_never_comes_is_dropped(line: Line) -> None:
    line.kill(line.bob, powered=False)
    line.say("one", "two")
    line.world.run(10)
    assert line.network.traffic.lost == {"no stream": 2}
    line.revive(line.bob)
    line.say("three")
    line.world.run(20)
    assert line.bob.got == ["three"]


def test_what_is_lost_is_sent_again_and_comes_later_in_order() -> None:
    world, ada, bob = World(), Listener(0), Listener(1)
    model = NetworkModel(loss=0.3, delay_s=0.001, jitter_s=0, resend_s=0.2, notice_s=1e6)
    network = Network(world, model, Random(1))
    streams = Streams(network)
    for station in (ada, bob):
        network.attach(station)
    labels = [str(number) for number in range(2_000)]
    arrived: list[float] = []
    for label in labels:
        streams.send(ada, bob.address, parcel(label))
        start = world.now
        while not bob.got or bob.got[-1] != label:
            world.run(world.now + 0.01)
        arrived.append(world.now - start)
    assert bob.got == labels
    late = sum(took > 0.15 for took in arrived[1:])
    assert abs(late - 2_000 * 0.3) <= 4 * (2_000 * 0.3 * 0.7) ** 0.5


def test_a_rule_that_loses_all_breaks_streams_and_lets_datagrams_pass(line: Line) -> None:
    line.say("before")
    line.world.run(10)
    line.network.rules.add(Rule(frozenset({1}), 1.0, plane="streams"))
    line.say("lost")
    line.world.run(30)
    assert line.ada.kinds() == line.bob.kinds() == ["Connected", "Disconnected"]
    line.streams.dial(line.ada, line.bob.address)
    line.world.run(40)
    assert line.ada.kinds()[-1] == "DialFailed"
    for number in range(20):
        line.network.send(line.ada, line.bob.address, parcel(f"datagram {number}"))
    line.world.run(50)
    assert len(line.bob.got) > 10


def test_a_stream_whose_answers_are_lost_delivers_and_then_breaks(line: Line) -> None:
    line.say("before")
    line.world.run(10)
    line.network.rules.add(Rule(frozenset({1}), 1.0, direction="out"))
    line.say("after")
    line.world.run(30)
    assert line.bob.got == ["before", "after"]
    assert line.ada.kinds() == ["Connected", "Disconnected"]


def test_a_reset_is_heard_on_both_sides_and_a_new_stream_opens(line: Line) -> None:
    line.say("one")
    line.world.run(10)
    line.streams.reset(line.bob)
    line.world.run(20)
    line.say("two")
    line.world.run(30)
    assert line.ada.kinds() == line.bob.kinds() == ["Connected", "Disconnected", "Connected"]
    assert line.bob.got == ["one", "two"]
