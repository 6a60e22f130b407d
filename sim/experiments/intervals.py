"""How sure a figure is: intervals in which the truth lies in 95 of 100 cases.

Invariant: equal values give an equal interval; the bootstrap draws from a generator of its own.
"""

from collections.abc import Callable, Sequence
from math import sqrt
from random import Random
from statistics import fmean, stdev

from msgspec import Struct

RESAMPLES = 1_000  # The ends of a 95 % interval rest on the 25 outermost.
STUDENT_95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""Student's t, two-sided, 95 %, for 1 to 30 degrees of freedom."""
NORMAL_95 = 1.960  # Beyond 30 degrees of freedom; 2 % too narrow at 31.
THINNED = 1_000


class Interval(Struct, frozen=True):
    """A figure, and between which bounds it lies with 95 % confidence; without bounds where there is one value only."""

    value: float
    low: float | None
    high: float | None
    count: int

    @property
    def half(self) -> float | None:
        """Half its width."""
        return (self.high - self.low) / 2 if self.low is not None and self.high is not None else None


def mean_of(values: Sequence[float]) -> Interval | None:
    """The mean of independent values with Student's interval; None of none."""
    if not values:
        return None
    mean, count = fmean(values), len(values)
    if count == 1:
        return Interval(mean, None, None, 1)
    student = STUDENT_95[count - 2] if count - 2 < len(STUDENT_95) else NORMAL_95
    half = student * stdev(values) / sqrt(count)
    return Interval(mean, mean - half, mean + half, count)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of `values` lie; the largest for 1. There must be one."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def thinned(values: Sequence[float]) -> tuple[float, ...]:
    """A thousand to two thousand quantiles instead of many values, to three digits behind the point; few stay as many."""
    ordered = sorted(values)
    step = max(1, len(ordered) // THINNED)
    return tuple(round(value, 3) for value in ordered[step // 2 :: step])


def bootstrap(
    groups: Sequence[Sequence[float]], statistic: Callable[[Sequence[float]], float], resamples: int = RESAMPLES
) -> Interval | None:
    """A statistic of all samples together; its interval by drawing whole groups again (Efron 1979).

    Samples of one seed depend on each other, so groups are seeds. None where there is no sample.
    """
    groups = [group for group in groups if group]
    pooled = [value for group in groups for value in group]
    if not pooled:
        return None
    if len(groups) == 1:
        return Interval(statistic(pooled), None, None, 1)
    rng = Random(f"bootstrap {len(groups)}")
    drawn = sorted(
        statistic([value for group in rng.choices(groups, k=len(groups)) for value in group]) for _ in range(resamples)
    )
    edge = resamples // 40
    return Interval(statistic(pooled), drawn[edge], drawn[-1 - edge], len(groups))
