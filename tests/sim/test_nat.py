"""Who stands behind a translator dials out, is answered, and is not dialled."""

from random import Random

import pytest

from mesh.events import DialFailed
from sim.library import load
from sim.nat import Nat, Translators
from sim.network import Network
from sim.scenario import NetworkModel
from sim.streams import Streams
from sim.world import World
from tests.sim.mesh import Listening, scenario
from tests.sim.station import Listener, parcel


def test_a_share_is_hidden_and_seeds_never_are() -> None:
    hidden = Translators(Nat(share=0.5), range(3, 23), Random(1)).hidden
    assert len(hidden) == 10
    assert min(hidden) >= 3


def test_an_answer_gets_in_while_the_mapping_lasts() -> None:
    translators = Translators(Nat(share=1.0, mapping_s=30.0), range(5, 7), Random(1))
    assert not translators.admits(0, 5, 1.0)
    assert translators.admits(5, 0, 2.0)
    assert [translators.admits(0, 5, now) for now in (2.1, 32.0, 32.1)] == [True, True, False]
    assert not translators.admits(1, 5, 3.0)


def test_two_hidden_nodes_meet_once_both_have_sent() -> None:
    translators = Translators(Nat(share=1.0), range(5, 7), Random(1))
    assert [translators.admits(5, 6, 1.0), translators.admits(6, 5, 1.1), translators.admits(5, 6, 1.2)] == [
        False,
        True,
        True,
    ]


def test_a_hidden_node_dials_and_is_not_dialled() -> None:
    world, seed, hidden = World(), Listener(0), Listener(1)
    network = Network(world, NetworkModel(loss=0, nat=Nat(share=1.0)), Random(1), nodes=2, seeds=1)
    streams = Streams(network)
    for station in (seed, hidden):
        network.attach(station)
    network.send(seed, hidden.address, parcel())
    streams.dial(seed, hidden.address)
    world.run(10.0)
    assert (seed.heard, hidden.got) == ([DialFailed(hidden.address, "no answer within 3 s")], [])
    streams.dial(hidden, seed.address)
    world.run(20.0)
    streams.send(seed, hidden.address, parcel("back"))
    world.run(21.0)
    assert (hidden.kinds(), hidden.got) == (["Connected"], ["back"])


@pytest.mark.parametrize("seed", [1, 2])
def test_hidden_nodes_take_part_and_are_not_held_dead(seed: int) -> None:
    """What answers their claims comes over the stream that they dialled: to a datagram of ours nothing is open yet."""
    listening = Listening(load("nat", ("nodes=10", "seconds=130", "faults=[]", "checks.every=100")), seed)
    listening.world.run(100.0)
    assert all(len(listening.alive_at(node)) == 10 for node in listening.nodes)


@pytest.mark.parametrize("seed", [7, 1059])
def test_a_hidden_node_whom_others_hold_alive_hears_of_them(seed: int) -> None:
    """No datagram gets in to who sends none, and who knows nobody sends none: answers have to come by its stream."""
    hidden = {"nat": {"share": 0.5}, "delays": {"model": "file", "file": "packaged:rtt-matrix.csv"}}
    listening = Listening(scenario(nodes=8, start={"seeds": 2}, network=hidden), seed)
    listening.world.run(25.0)
    assert all(len(listening.alive_at(node)) == 8 for node in listening.nodes)
