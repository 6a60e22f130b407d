"""A scenario that makes no sense is refused in words that help."""

import pytest

from mesh.errors import UsageError
from sim.breakage import Crash, Partition
from sim.scenario import read_scenario
from tests.sim.mesh import scenario


def complaint(**raw: object) -> str:
    with pytest.raises(UsageError) as caught:
        read_scenario({"about": "x", **raw}, "my.toml")
    assert caught.value.todo
    return str(caught.value)


def test_an_unknown_field_is_named_with_its_place() -> None:
    assert complaint(network={"los": 1}) == "my.toml: at network: Object contains unknown field `los`"


def test_a_value_out_of_range_is_named_with_its_place() -> None:
    assert complaint(network={"loss": 2.0}) == "my.toml: at network.loss: Expected `float` <= 1.0"
    assert complaint(nodes=0) == "my.toml: at nodes: Expected `int` >= 1"


def test_an_unknown_kind_of_fault_is_named_with_its_place() -> None:
    assert complaint(faults=[{"kind": "boom"}]) == "my.toml: at faults[0].kind: Invalid value 'boom'"


def test_a_missing_field_is_named() -> None:
    with pytest.raises(UsageError, match=r"my.toml: at the top level: Object missing required field `about`"):
        read_scenario({}, "my.toml")


def test_a_fault_may_not_reach_into_the_time_for_settling() -> None:
    late = {"kind": "partition", "at_s": 20, "heal_after_s": 30}
    assert "its last fault ends (or its workload begins) at 50 s" in complaint(seconds=60, faults=[late])


def test_a_crash_leaves_somebody() -> None:
    assert "hits 4 of 4 nodes" in complaint(nodes=4, faults=[{"kind": "crash", "at_s": 1, "count": 4}])


def test_faults_are_told_apart_by_their_kind() -> None:
    faults = [{"kind": "crash", "at_s": 1}, {"kind": "partition", "at_s": 2, "shares": [0.1, 0.9]}]
    assert scenario(faults=faults).faults == (Crash(at_s=1), Partition(at_s=2, shares=(0.1, 0.9)))
