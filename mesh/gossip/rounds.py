"""A round over all members in an order by lot that needs no list (round-robin probing: SWIM §4.3).

Invariant: each of `count` places is visited once; the next round goes another way.
"""

from math import gcd
from random import Random


class Round:
    """Places from 0 to below `count`: from one drawn by lot on, each a stride after the one before, around and around.

    Strides have no divisor in common with `count`, so that nothing is visited twice. Of two nodes each goes a way of its own; a
    list that is shuffled would take 8 bytes per member and node, which ten thousand simulated nodes have not.
    """

    __slots__ = ("_count", "_left", "_place", "_stride")

    def __init__(self, count: int, rng: Random) -> None:
        self._count = self._left = count
        self._place = rng.randrange(count) if count else 0
        self._stride = 1
        while count > 2:
            self._stride = rng.randrange(1, count)
            if gcd(self._stride, count) == 1:
                return

    def step(self) -> int | None:
        """The next place; None: the round is over."""
        if not self._left:
            return None
        self._left -= 1
        self._place = (self._place + self._stride) % self._count
        return self._place
