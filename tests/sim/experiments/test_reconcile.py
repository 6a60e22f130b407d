"""What reconcile costs is in proportion to what is lacked.

Invariant: the mesh is real.
"""

from sim.experiments.reconcile import find, measure, scenario
from tests.sim.experiments.made_up import bars, results


def test_a_larger_difference_costs_more_bytes_and_fewer_for_each() -> None:
    small, large = (
        measure(scenario(point), point, 1).figures
        for point in ({"base": 10, "differing": 1}, {"base": 10, "differing": 20})
    )
    assert small["bytes"] < large["bytes"]
    assert small["ratio"] > large["ratio"]
    assert small["lacked_bytes"] < large["lacked_bytes"]


def test_the_bar_leaves_room_for_finding_out() -> None:
    made = results(({"base": 10, "differing": 1}, {"allowed_share": [0.9, 1.2], "bytes": [1, 1]}))
    assert list(bars(find(made)).values()) == [False]
