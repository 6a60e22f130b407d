"""The one clock of a node: seconds since 1970 that never go back.

Invariant: it starts at the machine's wall clock and runs at the pace of its monotonic clock; a wall clock that is set while
the node runs changes nothing before the next start.
"""

import time

import trio


class WallClock:
    """Reads the time inside a trio run."""

    def __init__(self) -> None:
        self._offset = time.time() - trio.current_time()

    def now(self) -> float:
        """Seconds since 1970."""
        return trio.current_time() + self._offset
