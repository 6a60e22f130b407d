"""A node that runs and is held dead for too long is a broken promise; one with an excuse is not.

Invariant: verdicts are put into a roster by hand, with a member that can't refute because the promise is looked at sooner.
"""

from mesh.messages import Standing
from sim.vigil import Vigil
from tests.sim.mesh import Listening, scenario

CALM = {"seconds": 40, "workload": {"writes_per_s": 0.0, "publish_interval_s": 100.0}, "checks": {"dead_s": 1.0}}


def accused(listening: Listening) -> None:
    """The first node holds the second dead, and hears nothing more of it."""
    first, second = listening.nodes[0], listening.nodes[1]
    assert first.peer is not None
    listening.mesh.network.cut([[0], [1, 2, 3]])
    first.peer.roster.accuse(second.node, Standing.DOWN, listening.world.now)


def vigil(listening: Listening) -> Vigil:
    return listening.mesh.vigil


def test_a_mesh_without_faults_breaks_nothing() -> None:
    listening = Listening(scenario(**CALM))
    listening.world.run(40)
    assert vigil(listening).broken == []


def test_a_cut_excuses_and_its_end_starts_the_clock() -> None:
    listening = Listening(scenario(**CALM))
    listening.world.run(20)
    accused(listening)
    listening.world.run(25)
    assert vigil(listening).broken == []


def test_who_is_held_dead_for_longer_than_the_bound_is_named_once() -> None:
    listening = Listening(scenario(network={"loss": 1.0}, **CALM))  # Nobody ever hears of anybody, so nobody refutes.
    listening.world.run(6)
    first, second = listening.nodes[0], listening.nodes[1]
    assert first.peer is not None
    assert second.peer is not None
    first.peer.roster.hear(second.peer.roster.own.signed, 6.0)
    first.peer.roster.accuse(second.node, Standing.DOWN, 6.0)
    listening.world.run(12)
    [broken] = vigil(listening).broken
    assert "n0000 has held n0001 dead for more than 1 s, which runs and can be reached" in broken


def test_something_wrong_with_either_is_an_excuse() -> None:
    listening = Listening(scenario(network={"loss": 1.0}, **CALM))
    listening.world.run(6)
    first, second = listening.nodes[0], listening.nodes[1]
    assert first.peer is not None
    assert second.peer is not None
    first.peer.roster.hear(second.peer.roster.own.signed, 6.0)
    first.peer.roster.accuse(second.node, Standing.DOWN, 6.0)
    listening.mesh.metrics.afflict(second)
    listening.world.run(12)
    assert vigil(listening).broken == []
