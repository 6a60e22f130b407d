"""Results that nobody measured, to test what is said of them.

Invariant: seeds count from 1 in the order of the values.
"""

from collections.abc import Sequence

from sim.experiments.plan import Cell, Outcome, Point
from sim.experiments.results import Finding, Measured, Results


def results(*rows: tuple[Point, dict[str, Sequence[float]]], samples: Sequence[float] = ()) -> Results:
    """A point with the values of its figures, one per seed; every cell has the samples of the names in use."""
    names = ("first_s", "full_s", "last_ms", "delay_ms", "age_ms")
    measured = []
    for point, figures in rows:
        for number in range(max(map(len, figures.values()))):
            own = {name: float(values[number]) for name, values in figures.items()}
            measured.append(
                Measured(Cell(point, number + 1), Outcome(own, {name: tuple(samples) for name in names if samples}))
            )
    return Results(measured)


def bars(findings: Sequence[Finding]) -> dict[str, bool]:
    """Which bars are reached, by what they are about."""
    return {one.what: one.reached for one in findings if one.reached is not None}
