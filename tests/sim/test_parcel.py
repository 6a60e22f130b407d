"""Messages to one peer share a datagram where they fit, and share its fate."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from sim.network import Network
from sim.parcel import Bundle, Parcel, bundles
from sim.scenario import NetworkModel
from sim.world import World
from tests.sim.station import Listener, parcel


def sized(size: int) -> Parcel:
    made = parcel()
    made.size = size
    return made


@given(st.lists(st.integers(1, 1_000), max_size=20))
def test_nothing_is_lost_or_reordered_and_nothing_is_too_large(sizes: list[int]) -> None:
    packed = bundles([sized(size) for size in sizes], 1_000)
    flat = [
        one.size for datagram in packed for one in (datagram.parcels if isinstance(datagram, Bundle) else [datagram])
    ]
    assert flat == sizes
    assert all(datagram.size <= 1_000 for datagram in packed)


def test_what_shares_a_datagram_is_lost_together() -> None:
    world, source, target = World(), Listener(0), Listener(1)
    network = Network(world, NetworkModel(loss=0.5, duplicates=0), Random(1))
    network.attach(target)
    for number in range(200):
        network.send(source, target.address, Bundle([parcel(f"{number} a"), parcel(f"{number} b")]))
    world.run(1.0)
    assert 60 < len(target.got) / 2 < 140
    assert {label.split()[0] for label in target.got if label.endswith("a")} == {
        label.split()[0] for label in target.got if label.endswith("b")
    }
    assert network.traffic.messages == 400
