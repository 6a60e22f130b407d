"""What the cells of an experiment have given, asked by point, and what it is held against.

Invariant: values come in the order of the cells; a figure that a cell does not have is not counted.
"""

from collections.abc import Sequence
from math import isinf

from msgspec import Struct

from sim.experiments.intervals import Interval, bootstrap, mean_of, quantile
from sim.experiments.plan import Cell, Outcome, Point, Value


class Measured(Struct, frozen=True):
    """A cell and what it has given."""

    cell: Cell
    outcome: Outcome


class Finding(Struct, frozen=True, kw_only=True):
    """What a paper or a bar says beside what was measured.

    `reached`: whether `value` is at most `bar`; None where there is none to reach.
    """

    what: str
    said: str
    by: str
    measured: str
    interval: Interval | None = None
    reached: bool | None = None
    value: float | None = None
    bar: float | None = None


class Results:
    """Everything that was measured."""

    def __init__(self, measured: Sequence[Measured]) -> None:
        self.measured = tuple(measured)

    def points(self) -> list[Point]:
        """Every point, in order."""
        found: list[Point] = []
        for one in self.measured:
            if one.cell.point not in found:
                found.append(one.cell.point)
        return found

    def select(self, **only: Value) -> list[Measured]:
        """The cells whose points have these parameters."""
        return [one for one in self.measured if only.items() <= one.cell.point.items()]

    def values(self, figure: str, **only: Value) -> list[float]:
        """A figure of each of the cells whose points have these parameters."""
        found = [one.outcome.figures.get(figure) for one in self.select(**only)]
        return [value for value in found if value is not None]

    def mean(self, figure: str, **only: Value) -> Interval | None:
        """The mean of a figure over the seeds, with its interval."""
        return mean_of(self.values(figure, **only))

    def groups(self, name: str, **only: Value) -> list[tuple[float, ...]]:
        """The samples of that name, cell by cell."""
        return [one.outcome.samples.get(name, ()) for one in self.select(**only)]

    def quantile(self, name: str, share: float, **only: Value) -> Interval | None:
        """A quantile of the samples of all seeds together, with its interval."""
        return bootstrap(self.groups(name, **only), lambda values: quantile(values, share))

    def ratio(self, figure: str, over: Point, under: Point) -> Interval | None:
        """The sum of a figure at the points `over` divided by that at the points `under`; its interval by drawing seeds again."""
        pairs = self._by_seed(figure, over, under)
        if not sum(pair[1] for pair in pairs):
            return None
        return bootstrap(pairs, lambda flat: sum(flat[::2]) / max(sum(flat[1::2]), 1e-12))

    def _by_seed(self, figure: str, over: Point, under: Point) -> list[tuple[float, float]]:
        sums: dict[int, list[float]] = {}
        for place, only in ((0, over), (1, under)):
            for one in self.select(**only):
                value = one.outcome.figures.get(figure, 0.0)
                sums.setdefault(one.cell.seed, [0.0, 0.0])[place] += value
        return [(above, below) for _, (above, below) in sorted(sums.items())]


def say(interval: Interval | None, unit: str = "") -> str:
    """An interval for people: `6.21 ± 0.13 s`, or its bounds where it is lopsided."""
    if interval is None:
        return "not measured"
    unit = f" {unit}" if unit else ""
    value, low, high = interval.value, interval.low, interval.high
    if low is None or high is None:
        return f"{number(value)}{unit} (one seed)"
    if abs((high - value) - (value - low)) <= 0.2 * (high - low):
        return f"{number(value)} ± {number((high - low) / 2)}{unit}"
    return f"{number(value)}{unit} ({number(low)} … {number(high)})"


def number(value: float) -> str:
    """A number with three digits that matter, and thousands set apart."""
    if isinf(value):
        return "∞"
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else f"{value:.3g}"


def held_against(what: str, said: str, by: str, interval: Interval | None, unit: str = "") -> Finding:
    """A figure beside what a paper says, without a bar."""
    return Finding(what=what, said=said, by=by, measured=say(interval, unit), interval=interval)


def at_most(what: str, bar: float, by: str, interval: Interval | None, unit: str = "") -> Finding:
    """A figure that shall be at most `bar`."""
    value = interval.value if interval is not None else None
    return Finding(
        what=what,
        said=f"≤ {number(bar)}{f' {unit}' if unit else ''}",
        by=by,
        measured=say(interval, unit),
        interval=interval,
        reached=value <= bar if value is not None else None,
        value=value,
        bar=bar,
    )


def in_all(what: str, by: str, values: Sequence[float], bar: float, unit: str = "") -> Finding:
    """A figure that shall be at most `bar` in every single run."""
    good = sum(value <= bar for value in values)
    worst = f", worst {number(max(values))}{f' {unit}' if unit else ''}" if values else ""
    return Finding(
        what=what,
        said=f"≤ {number(bar)}{f' {unit}' if unit else ''} in all runs",
        by=by,
        measured=f"in {good} of {len(values)} runs{worst}",
        interval=mean_of(values),
        reached=good == len(values) if values else None,
        value=max(values, default=None),
        bar=bar,
    )
