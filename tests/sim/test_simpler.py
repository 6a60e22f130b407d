"""What is offered as simpler is simpler, valid in most cases, and comes to an end.

Invariant: nothing is run here.
"""

import pytest

from mesh.errors import UsageError
from sim.breakage import Heal, end_of
from sim.scenario import Scenario, check_scenario
from sim.simpler import PASSES, fewer_faults, fewer_nodes, less_time, over_at, plainer_world
from sim.swarm import swarm
from tests.sim.mesh import scenario

CRASHES = tuple({"kind": "crash", "at_s": at, "restart_after_s": 4} for at in (10, 12, 14, 16))


def test_all_faults_are_left_out_first_and_each_alone_at_last() -> None:
    found = [[fault.at_s for fault in simpler.faults] for simpler in fewer_faults(scenario(faults=CRASHES))]
    assert found[:3] == [[], [14, 16], [10, 12]]
    assert found[3:] == [[12, 14, 16], [10, 14, 16], [10, 12, 16], [10, 12, 14]]


def test_nodes_grow_from_one() -> None:
    assert [simpler.nodes for simpler in fewer_nodes(scenario(nodes=40))] == [1, 2, 3, 10, 20, 30, 39]
    assert list(fewer_nodes(scenario(nodes=1, faults=[]))) == []


def test_time_is_what_faults_and_settling_need() -> None:
    shortest = next(less_time(scenario(seconds=500, faults=CRASHES)))
    assert shortest.seconds == 30.0
    check_scenario(shortest, "test")


def test_what_is_over_at_a_moment_has_no_fault_after_it() -> None:
    lasting = {"kind": "full-disk", "at_s": 8, "lasts_s": 30}
    cut = {"kind": "partition", "at_s": 9, "heal_after_s": 50}
    made = scenario(seconds=120, faults=[*CRASHES, lasting, cut], workload={"settle_s": 30.0})
    for short in over_at(made, 15.0):
        check_scenario(short, "test")
        assert short.seconds == 16.0
        assert [fault.at_s for fault in short.faults] == [10, 12, 14, 15.5, 8, 9]
        assert short.faults[3] == Heal(at_s=15.5)
        assert max(end_of(fault, short.nodes) for fault in short.faults) <= 15.5
        assert short.seconds - short.workload.settle_s == 15.75
    assert list(over_at(made, 120.0)) == []


def test_a_plain_world_is_not_made_plainer() -> None:
    plain = scenario()
    for _ in range(4):
        plain = next(plainer_world(plain), plain)
    assert list(plainer_world(plain)) == []


@pytest.mark.parametrize("seed", range(1, 12))
def test_taking_whatever_is_offered_ends(seed: int) -> None:
    found, steps = swarm(seed), 0
    while (simpler := _first_valid(found)) is not None:
        found, steps = simpler, steps + 1
        assert steps < 200
    assert (found.nodes, found.faults, found.workload.writes_per_s) == (1, (), 0.0)


def _first_valid(found: Scenario) -> Scenario | None:
    for candidate in (candidate for simpler in PASSES for candidate in simpler(found)):
        try:
            check_scenario(candidate, "test")
        except UsageError:
            continue
        return candidate
    return None
