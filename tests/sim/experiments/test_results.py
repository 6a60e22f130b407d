"""Results are asked by point, and told beside what others say.

Invariant: no simulation runs here; cells are made up.
"""

from sim.experiments.intervals import Interval
from sim.experiments.plan import Cell, Outcome
from sim.experiments.results import Measured, Results, at_most, held_against, in_all, number, say

RESULTS = Results(
    [
        Measured(Cell({"nodes": nodes, "profile": profile}, seed), Outcome({"s": value}, {"late": (value, 2 * value)}))
        for nodes, profile, seed, value in (
            (8, "swim", 1, 4.0),
            (8, "swim", 2, 6.0),
            (8, "lan", 1, 1.0),
            (8, "lan", 2, 1.0),
            (9, "lan", 1, 3.0),
        )
    ]
)


def test_values_come_by_point_in_the_order_of_seeds() -> None:
    assert RESULTS.values("s", profile="swim") == [4.0, 6.0]
    assert RESULTS.values("s", nodes=9) == [3.0]
    assert RESULTS.values("missing", nodes=9) == []
    assert RESULTS.points()[-1] == {"nodes": 9, "profile": "lan"}
    assert RESULTS.mean("missing") is None


def test_a_ratio_compares_sums_seed_by_seed() -> None:
    found = RESULTS.ratio("s", {"profile": "lan", "nodes": 8}, {"profile": "swim"})
    assert found is not None
    assert found.value == 0.2
    assert RESULTS.ratio("s", {"profile": "lan"}, {"profile": "none"}) is None


def test_a_quantile_is_of_the_samples_of_all_seeds() -> None:
    found = RESULTS.quantile("late", 1.0, profile="swim")
    assert found is not None
    assert (found.value, found.count) == (12.0, 2)


def test_a_bar_is_reached_or_not_or_was_not_measured() -> None:
    assert at_most("x", 5.0, "bar 1", RESULTS.mean("s", profile="swim")).reached is True
    assert at_most("x", 4.9, "bar 1", RESULTS.mean("s", profile="swim")).reached is False
    assert at_most("x", 5.0, "bar 1", None).reached is None
    assert held_against("x", "1.58", "SWIM", None).measured == "not measured"
    every = in_all("x", "bar 4", RESULTS.values("s"), 5.0, "s")
    assert (every.reached, every.measured) == (False, "in 4 of 5 runs, worst 6 s")


def test_figures_are_told_with_the_digits_that_matter() -> None:
    assert [number(value) for value in (12345.6, 56.78, 5.678, 0.05678, 3.0, float("inf"))] == [
        *("12,346", "56.8", "5.68", "0.0568", "3", "∞")
    ]
    assert say(Interval(5.0, 4.0, 6.0, 5), "s") == "5 ± 1 s"
    assert say(Interval(5.0, 4.9, 9.0, 5)) == "5 (4.90 … 9)"
    assert say(Interval(5.0, None, None, 1)) == "5 (one seed)"
