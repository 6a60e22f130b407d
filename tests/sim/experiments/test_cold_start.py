"""A start counts once all views are full, and the bar is on every run.

Invariant: the mesh is real where times are asserted.
"""

from sim.experiments.cold_start import SPREAD_S, find, measure, scenario
from tests.sim.experiments.made_up import bars, results


def test_views_are_not_full_before_the_last_machine_is_on() -> None:
    found = measure(scenario({"nodes": 4}), {"nodes": 4}, 1).figures
    assert 0.0 < found["after_last_s"] < found["full_s"] <= SPREAD_S + 5.0
    assert found["view_sizes"] <= 4


def test_one_slow_run_misses_the_bar() -> None:
    made = results(({"nodes": 64}, {"full_s": [2.0, 2.5]}), ({"nodes": 128}, {"full_s": [2.0, 5.1]}))
    assert list(bars(find(made)).values()) == [True, False]
