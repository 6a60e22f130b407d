"""Virtual time: what is going to happen, in order.

Invariant: time never goes back, and of two things due at one moment the one asked for first happens first.
"""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import TypeVar

Argument = TypeVar("Argument")
Entry = tuple[float, int, Callable[..., object], object]

SLICES_PER_S = 1024  # Of ten thousand nodes some forty entries fall into one; a heap of all would hold 30,000.


class World:
    """Entries of (time, sequence, action, argument), by slices of time. Times are virtual seconds since the start.

    `_near` is a heap of what is due in the present slice, or was before it; what comes later lies unsorted in its slice (a calendar
    queue, Brown 1988, with as many days as there is something to do on).
    """

    __slots__ = ("_later", "_near", "_number", "_numbers", "_sequence", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self._sequence = 0
        self._near: list[Entry] = []
        self._number = 0  # Of the present slice.
        self._later: dict[int, list[Entry]] = {}
        self._numbers: list[int] = []  # A heap of the keys of these.

    def at(self, when: float, action: Callable[[Argument], object], argument: Argument) -> None:
        """Do `action(argument)` at the moment `when`, or now where that has passed."""
        self._sequence += 1
        when = when if when > self.now else self.now
        entry, number = (when, self._sequence, action, argument), int(when * SLICES_PER_S)
        if number <= self._number:
            heappush(self._near, entry)
        elif (later := self._later.get(number)) is not None:
            later.append(entry)
        else:
            self._later[number] = [entry]
            heappush(self._numbers, number)

    def _turn(self) -> list[Entry]:
        """Go on to the next slice in which there is something to do. Returns its entries; none: nothing is going to happen."""
        if self._numbers:
            self._number = heappop(self._numbers)
            self._near = self._later.pop(self._number)
            heapify(self._near)
        return self._near

    def step(self) -> bool:
        """Let the next thing happen. False: nothing is going to happen any more."""
        near = self._near or self._turn()
        if not near:
            return False
        self.now, _, action, argument = heappop(near)
        action(argument)
        return True

    def run(self, until: float) -> None:
        """Let everything happen that is due up to and including the moment `until`."""
        while near := self._near or self._turn():
            while near and near[0][0] <= until:
                self.now, _, action, argument = heappop(near)
                action(argument)
            if near:
                break
        self.now = max(self.now, until)
