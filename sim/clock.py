"""What a simulated machine's clock shows.

Invariant: a process's time never goes back; at a moment given by `when` it has reached the time asked for, and it had not
reached it noticeably before.
"""

from math import ulp
from random import Random
from typing import Annotated

from msgspec import Meta, Struct

from sim.quantities import Seconds


class ClockModel(Struct, frozen=True, forbid_unknown_fields=True):
    """Each machine's clock is ahead of the slowest by up to `offset_s_max`, evenly spread, and has a pace of its own."""

    offset_s_max: Annotated[Seconds, Meta(description="How far clocks are apart at the beginning.")] = 0.05
    drift_ppm_max: Annotated[
        float, Meta(ge=0.0, le=100_000.0, description="Paces differ by up to so many parts per million, either way.")
    ] = 0.0
    epoch_s: Annotated[Seconds, Meta(description="What clocks show at the beginning, so that there is a past.")] = 0.0


class Clock:
    """A wall clock, and the time of the process that read it once at its start and then counts (the runtime's WallClock)."""

    __slots__ = ("_offset_s", "_rate", "_wall_s")

    def __init__(self, offset_s: float, rate: float = 1.0) -> None:
        self._offset_s = self._wall_s = offset_s
        self._rate = rate

    def local(self, now: float) -> float:
        """The process's time at the moment `now`."""
        return now * self._rate + self._offset_s

    def when(self, local: float) -> float:
        """The moment at which the process's time is `local`."""
        moment = (local - self._offset_s) / self._rate
        while moment * self._rate + self._offset_s < local:
            # Rounding: a deadline that is not quite reached would be asked for for ever.
            moment += ulp(max(abs(local), abs(moment)))
        return moment

    def jump(self, by_s: float) -> None:
        """Set the wall clock. The process does not notice before its next start."""
        self._wall_s += by_s

    def restart(self) -> None:
        """A new process reads the wall clock."""
        self._offset_s = self._wall_s


def made_clock(model: ClockModel, rng: Random) -> Clock:
    """A machine's clock."""
    offset_s = model.epoch_s + rng.random() * model.offset_s_max
    drift = (2.0 * rng.random() - 1.0) * model.drift_ppm_max * 1e-6 if model.drift_ppm_max else 0.0
    return Clock(offset_s, 1.0 + drift)
