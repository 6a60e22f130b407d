"""How long the loop is held: by one step of a task, by one turn between two looks at the sockets, by the garbage collector.

Invariant: measuring costs a microsecond or two per step and keeps no more than counts; it changes nothing of what runs.
"""

import gc
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate

import trio
from msgspec import Struct

BOUNDS_MS = (0.05, 0.1, 0.2, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10, 15, 20, 30, 50, 100, 200, 500, 1_000)


class Durations:
    """A histogram: how many durations were at most each of BOUNDS_MS, and how long all of them together and the longest were."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_MS) + 1)
        self.total_s = 0.0
        self.max_s = 0.0

    def note(self, duration_s: float) -> None:
        """Count one."""
        self._counts[bisect_left(BOUNDS_MS, duration_s * 1e3)] += 1
        self.total_s += duration_s
        self.max_s = max(self.max_s, duration_s)

    @property
    def count(self) -> int:
        """How many there were."""
        return sum(self._counts)

    def buckets(self) -> list[tuple[float, int]]:
        """(bound in seconds, how many were at most that long), the last bound infinite, as Prometheus counts."""
        bounds = (*(bound / 1e3 for bound in BOUNDS_MS), float("inf"))
        return list(zip(bounds, accumulate(self._counts), strict=True))

    def quantile_ms(self, share: float) -> float:
        """The bound that this share of the durations keeps, in ms: an upper limit, and never more than the longest."""
        wanted = share * self.count
        bound = next((bound for bound, seen in self.buckets() if seen >= wanted), 0.0)
        return round(min(bound, self.max_s) * 1e3, 3)


class Quantiles(Struct, frozen=True):
    """Durations since the start, in ms. `p50` and `p99` are upper limits, as wide as the histogram's buckets."""

    p50: float
    p99: float
    max: float


def quantiles(durations: Durations) -> Quantiles:
    """What people are shown of a histogram."""
    return Quantiles(durations.quantile_ms(0.5), durations.quantile_ms(0.99), round(durations.max_s * 1e3, 3))


class SliceMeter(trio.abc.Instrument):
    """Watches one loop: `steps` of tasks, `turns` of the loop (all steps between two looks at the sockets), `pauses` of gc."""

    def __init__(self) -> None:
        self.steps, self.turns, self.pauses = Durations(), Durations(), Durations()
        self._step_began = self._turn_began = self._pause_began = time.perf_counter()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._step_began = time.perf_counter()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps.note(time.perf_counter() - self._step_began)

    def after_io_wait(self, timeout: float) -> None:
        self._turn_began = time.perf_counter()

    def before_io_wait(self, timeout: float) -> None:
        self.turns.note(time.perf_counter() - self._turn_began)

    def on_collection(self, phase: str, info: dict[str, int]) -> None:
        """The collector begins or ends (gc.callbacks)."""
        if phase == "start":
            self._pause_began = time.perf_counter()
        else:
            self.pauses.note(time.perf_counter() - self._pause_began)

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Measure the loop that this is called in."""
        trio.lowlevel.add_instrument(self)
        gc.callbacks.append(self.on_collection)
        self._turn_began = time.perf_counter()
        try:
            yield
        finally:
            gc.callbacks.remove(self.on_collection)
            trio.lowlevel.remove_instrument(self)
