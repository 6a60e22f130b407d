"""What a benchmark says, and how it takes its time."""

import gc
import time
from collections.abc import Callable
from statistics import median

from msgspec import Struct

RUNS = 5


class Measure(Struct, frozen=True):
    """One figure. `bar` is what it should reach; `reached` is None where there is no bar."""

    name: str
    value: float
    unit: str
    bar: float | None
    reached: bool | None
    detail: dict[str, float | int | str]


def at_least(name: str, value: float, bar: float, unit: str, detail: dict[str, float | int | str]) -> Measure:
    """A figure that should not be below its bar."""
    return Measure(name, round(value, 4), unit, bar, value >= bar, detail)


def at_most(name: str, value: float, bar: float, unit: str, detail: dict[str, float | int | str]) -> Measure:
    """A figure that should not be above its bar."""
    return Measure(name, round(value, 4), unit, bar, value <= bar, detail)


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    gc.collect()
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def median_of(figure: Callable[[], float], runs: int = RUNS) -> float:
    """The median of several runs of a figure."""
    return median(figure() for _ in range(runs))
