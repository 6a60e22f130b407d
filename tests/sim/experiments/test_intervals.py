"""Intervals say how sure a figure is.

Invariant: they are held against values that were worked out elsewhere, and against laws.
"""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.experiments.intervals import THINNED, bootstrap, mean_of, quantile, thinned

numbers = st.floats(-1e6, 1e6)


def test_a_mean_has_students_interval() -> None:
    found = mean_of([5.1, 4.9, 5.6, 5.8, 5.5])
    assert found is not None
    assert found.value == pytest.approx(5.38)
    assert (found.low, found.high) == (pytest.approx(4.9205, abs=1e-3), pytest.approx(5.8395, abs=1e-3))


def test_one_value_has_no_bounds_and_none_has_no_mean() -> None:
    found = mean_of([3.0])
    assert found is not None
    assert (found.value, found.low, found.half) == (3.0, None, None)
    assert mean_of([]) is None
    assert bootstrap([(), ()], max) is None


def test_about_95_of_100_intervals_hold_the_truth() -> None:
    rng = Random(1)
    held = 0
    for _ in range(1000):
        found = mean_of([rng.gauss(7.0, 2.0) for _ in range(5)])
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 7.0 <= found.high
    assert 930 <= held <= 970


@given(st.lists(st.lists(numbers, max_size=5), min_size=2, max_size=6))
def test_a_bootstrap_lies_within_its_samples_and_is_the_same_again(groups: list[list[float]]) -> None:
    found = bootstrap(groups, lambda values: quantile(values, 0.5), resamples=200)
    assert found == bootstrap(groups, lambda values: quantile(values, 0.5), resamples=200)
    pooled = [value for group in groups for value in group]
    if found is not None and found.low is not None and found.high is not None:
        assert min(pooled) <= found.low <= found.high <= max(pooled)


@given(st.lists(numbers, min_size=1), st.floats(0, 1))
def test_a_quantile_is_one_of_the_values_with_its_share_below(values: list[float], share: float) -> None:
    found = quantile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9


@given(st.lists(st.integers(0, 10**6).map(float), max_size=5_000))
def test_thinned_values_are_some_of_them_in_order_and_not_many(values: list[float]) -> None:
    found = thinned(values)
    assert list(found) == sorted(found)
    assert set(found) <= set(values)
    assert min(len(values), THINNED) <= len(found) <= 2 * THINNED
    assert len(values) >= THINNED or list(found) == sorted(values)
