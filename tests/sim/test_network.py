"""The network loses, doubles and delays as its model says, and a cut is a cut.

Invariant: counts are compared with what four standard deviations allow, on fixed seeds.
"""

from itertools import pairwise
from math import sqrt
from random import Random

from sim.losses import Bursts
from sim.network import Network
from sim.scenario import NetworkModel
from sim.world import World
from tests.sim.station import Listener, parcel

SENT = 20_000


def flood(model: NetworkModel) -> tuple[Network, Listener]:
    """Send datagrams, numbered, a millisecond apart."""
    world = World()
    network = Network(world, model, Random(1))
    source, target = Listener(0), Listener(1)
    network.attach(source)
    network.attach(target)
    for number in range(SENT):
        world.at(number / 1000, lambda label: network.send(source, target.address, parcel(label)), str(number))
    world.run(SENT / 1000 + 10)
    return network, target


def within(count: int, share: float) -> bool:
    return abs(count - SENT * share) <= 4 * sqrt(SENT * share * (1 - share))


def test_every_datagram_arrives_once_where_nothing_is_lost() -> None:
    network, target = flood(NetworkModel(loss=0, duplicates=0, reordered=0))
    assert sorted(target.got, key=int) == [str(number) for number in range(SENT)]
    assert network.traffic.lost == {}


def test_losses_and_duplicates_come_at_their_rates() -> None:
    network, target = flood(NetworkModel(loss=0.05, duplicates=0.02, reordered=0))
    doubles = len(target.got) - len(set(target.got))
    assert within(network.traffic.lost["loss"], 0.05)
    assert within(doubles, 0.02)


def test_bursts_lose_datagrams_in_a_row_and_streams_as_often() -> None:
    bursts = Bursts(good_s=0.3, bad_s=0.1, bad_loss=1.0)
    network, target = flood(NetworkModel(loss=0, duplicates=0, reordered=0, jitter_s=0, bursts=bursts))
    numbers = [int(label) for label in target.got]
    lost = [after - before - 1 for before, after in pairwise(numbers) if after - before > 1]
    assert sum(lost) + numbers[0] + SENT - 1 - numbers[-1] == network.traffic.lost["burst"]
    assert 70 <= sum(lost) / len(lost) <= 140  # A spell of a tenth of a second at a datagram each millisecond.
    assert 0.15 <= sum(lost) / SENT <= 0.35
    chances = []
    for at in range(2_000):
        network.world.run(1_000.0 + at)
        chances.append(network.stream_loss(Listener(0), Listener(1)))
    assert set(chances) == {0.0, 1.0}
    assert 0.2 <= sum(chances) / len(chances) <= 0.3


def test_what_is_sent_is_lost_or_arrives() -> None:
    network, target = flood(NetworkModel(loss=0.3, duplicates=0.1))
    assert len(set(target.got)) + network.traffic.lost["loss"] == SENT
    assert network.traffic.messages == SENT


def test_order_is_lost_at_the_rate_asked_for() -> None:
    _, target = flood(NetworkModel(loss=0, duplicates=0, jitter_s=0, reordered=0.1, reordered_s=0.0015))
    numbers = [int(label) for label in target.got]
    late = sum(after < before for before, after in pairwise(numbers))
    assert within(late, 0.1 * 0.9)  # A late one whose follower is late too is still before it.


def test_nothing_crosses_a_cut_and_everything_does_once_it_is_healed() -> None:
    world = World()
    network = Network(world, NetworkModel(loss=0), Random(1))
    stations = [Listener(index) for index in range(4)]
    for station in stations:
        network.attach(station)
    network.cut([[0, 1], [2, 3]])
    for target in stations[1:]:
        network.send(stations[0], target.address, parcel())
    world.run(1.0)
    assert [len(station.got) for station in stations] == [0, 1, 0, 0]
    network.heal()
    network.send(stations[0], stations[3].address, parcel())
    world.run(2.0)
    assert stations[3].got == ["p"]


def test_delays_have_the_mean_asked_for() -> None:
    network = Network(World(), NetworkModel(delay_s=0.010, jitter_s=0.005), Random(1))
    ends = Listener(0), Listener(1)
    delays = [network.delay(*ends) for _ in range(SENT)]
    assert min(delays) >= 0.010
    assert abs(sum(delays) / SENT - 0.015) < 4 * 0.005 / sqrt(SENT)
