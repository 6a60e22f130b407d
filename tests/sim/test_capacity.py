"""A line carries its rate, holds its queue, and drops what is more."""

from random import Random

import msgspec
import pytest

from sim.capacity import Capacity, Lines
from sim.network import DATAGRAM_OVERHEAD_BYTES, Network
from sim.scenario import NetworkModel
from sim.world import World
from tests.sim.station import Listener, parcel


def test_what_waits_leaves_at_the_rate_of_the_line() -> None:
    lines = Lines(Capacity(up_byte_s=1000.0, queue_bytes=10_000))
    assert [lines.pass_up(0, 500, 0.0, patient=False) for _ in range(3)] == [0.5, 1.0, 1.5]
    assert lines.pass_up(0, 500, 10.0, patient=False) == 0.5
    assert lines.pass_up(1, 500, 0.0, patient=False) == 0.5
    assert lines.pass_down(0, 500, 0.0, patient=False) == 0.0


def test_a_full_queue_drops_at_its_tail_and_streams_wait() -> None:
    lines = Lines(Capacity(down_byte_s=1000.0, queue_bytes=1000))
    passed = [lines.pass_down(0, 400, 0.0, patient=False) for _ in range(4)]
    assert passed == [0.4, 0.8, None, None]
    assert lines.pass_down(0, 400, 0.0, patient=True) == 1.2000000000000002
    assert lines.pass_down(0, 400, 1.0, patient=False) is not None


def test_a_network_is_as_fast_as_the_slower_of_two_lines() -> None:
    world, source, target = World(), Listener(0), Listener(1)
    size = parcel().size + DATAGRAM_OVERHEAD_BYTES
    capacity = Capacity(up_byte_s=10.0 * size, down_byte_s=4.0 * size, queue_bytes=1000 * size)
    model = NetworkModel(delay_s=0.0, jitter_s=0.0, loss=0, duplicates=0, reordered=0, capacity=capacity)
    network = Network(world, model, Random(1))
    for station in (source, target):
        network.attach(station)
    for number in range(100):
        network.send(source, target.address, parcel(str(number)))
    world.run(12.5)
    assert 46 <= len(target.got) <= 50
    world.run(30.0)
    assert target.got == [str(number) for number in range(100)]


@pytest.mark.parametrize("side", ["up_byte_s", "down_byte_s"])
def test_a_full_line_drops_datagrams_and_keeps_streams_waiting(side: str) -> None:
    world, source, target = World(), Listener(0), Listener(1)
    size = parcel().size + DATAGRAM_OVERHEAD_BYTES
    capacity = msgspec.convert({side: 10.0 * size, "queue_bytes": 5 * size}, Capacity)
    model = NetworkModel(delay_s=0.0, jitter_s=0.0, loss=0, duplicates=0, reordered=0, capacity=capacity)
    network = Network(world, model, Random(1))
    network.attach(source)
    network.attach(target)
    for number in range(20):
        network.send(source, target.address, parcel(str(number)))
    world.run(10.0)
    assert network.traffic.lost["full line"] == 20 - len(target.got)
    assert 4 <= len(target.got) <= 6
    assert [round(network.stream_wait(source, target, size), 6) for _ in range(20)] == [
        pytest.approx(0.1 * (number + 1)) for number in range(20)
    ]


def test_a_datagram_over_the_mtu_vanishes() -> None:
    world, source, target = World(), Listener(0), Listener(1)
    size = parcel().size + DATAGRAM_OVERHEAD_BYTES
    for mtu, arrives in ((size + 48, 1), (size + 47, 0)):
        network = Network(world, NetworkModel(loss=0, duplicates=0, mtu_bytes=mtu), Random(1))
        network.attach(target)
        target.got.clear()
        network.send(source, target.address, parcel())
        world.run(world.now + 1.0)
        assert (len(target.got), network.traffic.lost.get("mtu", 0)) == (arrives, 1 - arrives)
