"""A timetable: when each core wants its next tick.

Invariant: the moment kept of a core is what it said when it was last spoken to; whoever speaks to a core says so here.
"""

from collections.abc import Sequence
from functools import cache
from math import inf
from typing import Protocol


class Core(Protocol):
    """Anything with a deadline."""

    def deadline(self) -> float:
        """When the next tick is due."""
        ...


class Timetable:
    """The deadlines of several cores, by their numbers. A core's deadline only changes when it is spoken to."""

    __slots__ = ("_cores", "_due", "soonest")

    def __init__(self, cores: Sequence[Core]) -> None:
        self._cores = cores
        self._due = [core.deadline() for core in cores]
        self.soonest = min(self._due, default=inf)

    def note(self, spoken: int) -> None:
        """The cores whose bits are set in `spoken` (bit i: core i) were spoken to."""
        cores, due, changed = self._cores, self._due, False
        for number in _numbers(spoken):
            moment = cores[number].deadline()
            if moment != due[number]:
                due[number], changed = moment, True
        if changed:
            self.soonest = min(due)

    def due(self, now: float) -> list[int]:
        """The numbers of those whose tick is due, in order."""
        return [number for number, moment in enumerate(self._due) if moment <= now]

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        assert self._due == [core.deadline() for core in self._cores], (
            "a core was spoken to and nobody noted its deadline"
        )


@cache
def _numbers(spoken: int) -> tuple[int, ...]:
    """The bits that are set; a peer speaks to few groups of its cores."""
    return tuple(number for number in range(spoken.bit_length()) if spoken >> number & 1)
