"""The hybrid logical clock that stamps batches.

Invariant: stamps given out only grow, and exceed every stamp merged within the bound.

A stamp is one number: milliseconds since 1970 shifted left by 16 bits, plus a counter. It ranks concurrent values for display and
decides nothing else (Kulkarni et al., "Logical Physical Clocks", 2014; the bound is ours).
"""

COUNTER_BITS = 16
SKEW_MS_MAX = 60_000  # A peer further ahead is accepted and shown as skewed, but does not drag this clock along.


def stamp_of(now: float) -> int:
    """The smallest stamp of the moment `now` (seconds since 1970)."""
    return int(now * 1000) << COUNTER_BITS


def seconds_of(stamp: int) -> float:
    """The wall-clock part of `stamp`, in seconds since 1970."""
    return (stamp >> COUNTER_BITS) / 1000


class HybridClock:
    """Give out stamps that never run backwards, whatever the machine's clock does."""

    def __init__(self, newest: int = 0) -> None:
        self.newest = newest

    def tick(self, now: float) -> int:
        """A stamp for something that happens here at `now`."""
        self.newest = max(self.newest + 1, stamp_of(now))
        return self.newest

    def merge(self, stamp: int, now: float) -> bool:
        """Take note of a stamp from elsewhere. False: it is ahead of the bound and was not merged."""
        if stamp > stamp_of(now) + (SKEW_MS_MAX << COUNTER_BITS):
            return False
        self.newest = max(self.newest, stamp)
        return True
