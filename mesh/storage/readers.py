"""Who reads a file: the slots of its readers, and how far the oldest lags behind.

Invariant: a slot whose process is gone is taken away by `sweep`; a living reader's never is.

LMDB can't reuse a page that was freed after its oldest reader began, so a reader that stays makes the file grow. Inside a node no
reader outlives its `with`; a hot backup is a reader of another process, and leaves its slot behind where it is killed.
"""

import lmdb
from msgspec import Struct

SWEEP_S = 60.0  # A killed backup may make the file grow for a minute: some thousand commits.


class Reading(Struct, frozen=True):
    """How many readers there are, of how many at most, and how many commits the oldest is behind (0: none is)."""

    readers: int
    readers_max: int
    lag: int


class Readers:
    """The table of readers of one environment."""

    def __init__(self, environment: lmdb.Environment) -> None:
        self._environment = environment

    def sweep(self) -> int:
        """Take away the slots of dead processes. Returns how many. Raises lmdb.Error."""
        return self._environment.reader_check()

    def look(self) -> Reading:
        """How it is now. Raises lmdb.Error."""
        info = self._environment.info()
        slots = [line.split() for line in self._environment.readers().splitlines()[1:]]
        pinned = [int(slot[2]) for slot in slots if len(slot) == 3 and slot[2] != "-"]
        lag = max(0, info["last_txnid"] - min(pinned)) if pinned else 0
        return Reading(len(slots), info["max_readers"], lag)
