"""Laws of chance draw what their formulas say.

Invariant: means and quantiles are compared with closed forms, within four standard errors, on a fixed seed.
"""

from math import erf, exp, gamma, log, pi, sqrt
from random import Random
from statistics import mean, pstdev

import pytest

from sim.laws import Constant, Exponential, Law, LogNormal, Normal, Pareto, Uniform, Weibull, draws

DRAWN = 20_000


def drawn(law: Law, seed: int = 1) -> list[float]:
    draw = draws(law, Random(seed))
    return [draw() for _ in range(DRAWN)]


LAWS_WITH_MEAN = [
    (Constant(value_s=0.25), 0.25),
    (Uniform(least_s=1.0, most_s=3.0), 2.0),
    (Exponential(mean_s=0.5, least_s=0.1), 0.6),
    (Normal(mean_s=5.0, deviation_s=0.5), 5.0),
    (LogNormal(median_s=2.0, sigma=0.5), 2.0 * exp(0.125)),
    (Pareto(least_s=1.0, shape=3.0), 1.5),
    (Weibull(scale_s=10.0, shape=0.5), 20.0),
    (Weibull(scale_s=10.0, shape=2.0), 10.0 * gamma(1.5)),
    (Normal(mean_s=0.0, deviation_s=1.0), sqrt(2.0 / pi)),
]
MEDIANS = [
    (Exponential(mean_s=2.0), 2.0 * log(2.0)),
    (LogNormal(median_s=3.0, sigma=1.5), 3.0),
    (Pareto(least_s=1.0, shape=0.8), 2.0 ** (1 / 0.8)),
    (Weibull(scale_s=60.0, shape=0.59), 60.0 * log(2.0) ** (1 / 0.59)),
]


@pytest.mark.parametrize(("law", "expected"), LAWS_WITH_MEAN)
def test_means_are_those_of_the_formula(law: Law, expected: float) -> None:
    values = drawn(law)
    assert abs(mean(values) - expected) <= 4 * pstdev(values) / sqrt(DRAWN)


@pytest.mark.parametrize(("law", "median"), MEDIANS)
def test_half_of_what_is_drawn_lies_below_the_median(law: Law, median: float) -> None:
    below = sum(value < median for value in drawn(law))
    assert abs(below - DRAWN / 2) <= 4 * sqrt(DRAWN) / 2


def test_tails_are_as_heavy_as_asked_for() -> None:
    beyond = sum(value > 10.0 for value in drawn(Pareto(least_s=1.0, shape=1.5)))
    share = 10.0**-1.5
    assert abs(beyond - DRAWN * share) <= 4 * sqrt(DRAWN * share * (1 - share))


def test_a_normal_law_is_cut_off_at_its_least_value() -> None:
    values = drawn(Normal(mean_s=1.0, deviation_s=1.0, least_s=0.5))
    assert min(values) >= 0.5
    share = 1 - (1 + erf(1.0 / sqrt(2))) / 2  # Of what is drawn once, more than two.
    kept = (1 + erf(0.5 / sqrt(2))) / 2
    beyond = sum(value > 2.0 for value in values)
    assert abs(beyond - DRAWN * share / kept) <= 4 * sqrt(DRAWN * share / kept)


@pytest.mark.parametrize(
    "law", [LogNormal(median_s=1.0, sigma=2.0, most_s=5.0), Pareto(least_s=1.0, shape=0.5, most_s=5.0)]
)
def test_a_bound_holds(law: Law) -> None:
    values = drawn(law)
    assert max(values) == 5.0
    assert min(values) >= 0.0


@pytest.mark.parametrize("law", [law for law, _ in LAWS_WITH_MEAN])
def test_one_seed_draws_the_same(law: Law) -> None:
    assert drawn(law, 7)[:100] == drawn(law, 7)[:100]
