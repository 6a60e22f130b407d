"""A cut counts as healed when nothing differs any more.

Invariant: the mesh is real.
"""

from sim.experiments.partition import find, measure, points, scenario
from tests.sim.experiments.made_up import bars, results


def test_halves_that_were_written_to_differ_when_the_cut_ends_and_are_one_later() -> None:
    point = {"cut_s": 8.0, "nodes": 3}
    found = measure(scenario(point), point, 2).figures
    assert found["apart"] == 1.0
    assert 0.0 < found["healed_s"] <= 60.0
    assert found["rosters_s"] <= found["healed_s"]


def test_a_week_is_in_the_plan_and_lengths_are_told_for_people() -> None:
    made = results(*((point, {"healed_s": [1.0]}) for point in points(quick=False)))
    told = list(bars(find(made)))
    assert [any(word in one for one in told) for word in ("10 s", "1 min", "2 h", "1 d", "7 d")] == [True] * 5
