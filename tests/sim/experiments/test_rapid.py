"""A faulty member counts as shown where it is held down or degraded, and each return is counted.

Invariant: the mesh is real.
"""

from sim.experiments.rapid import find, measure, scenario
from tests.sim.experiments.made_up import bars, results


def test_a_crash_is_shown_at_everybody_and_does_not_come_back() -> None:
    point = {"part": "crash", "nodes": 5, "lasts_s": 15.0}
    found = measure(scenario(point), point, 1).figures
    assert (found["returns"], found["shown_at_end"], found["healthy_removed"]) == (0.0, 1.0, 0.0)
    assert 0.0 < found["shown_s"] < 15.0
    assert found["view_sizes"] == 2.0


def test_the_bar_has_three_parts_for_each_fault() -> None:
    point = {"part": "flip-flop", "nodes": 1000, "lasts_s": 240.0}
    figures = {"healthy_removed": [0, 0], "late": [0, 0.1], "returns": [0.5, 5], "view_sizes": [2, 2]}
    assert list(bars(find(results((point, figures)))).values()) == [True, False, False]
