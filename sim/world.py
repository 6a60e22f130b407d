"""Virtual time: what is going to happen, in order.

Invariant: time never goes back, and of two things due at one moment the one asked for first happens first.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import TypeVar

Argument = TypeVar("Argument")


class World:
    """A heap of (time, sequence, action, argument). Times are virtual seconds since the start."""

    __slots__ = ("_heap", "_sequence", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self._sequence = 0
        self._heap: list[tuple[float, int, Callable[..., object], object]] = []

    def at(self, when: float, action: Callable[[Argument], object], argument: Argument) -> None:
        """Do `action(argument)` at the moment `when`, or now where that has passed."""
        self._sequence += 1
        heappush(self._heap, (when if when > self.now else self.now, self._sequence, action, argument))

    def step(self) -> bool:
        """Let the next thing happen. False: nothing is going to happen any more."""
        if not self._heap:
            return False
        self.now, _, action, argument = heappop(self._heap)
        action(argument)
        return True

    def run(self, until: float) -> None:
        """Let everything happen that is due up to and including the moment `until`."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _, action, argument = heappop(heap)
            action(argument)
        self.now = max(self.now, until)
