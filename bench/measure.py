"""What a benchmark says, and how it takes its time."""

import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
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


def cpu_s(pid: int) -> float:
    """The processor time that a process has taken so far, of all its threads, in user and kernel mode (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    gc.collect()
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def median_of(figure: Callable[[], float], runs: int = RUNS) -> float:
    """The median of several runs of a figure."""
    return median(figure() for _ in range(runs))
