"""How well this member itself keeps up (Lifeguard §IV-A, local health aware probe).

Invariant: the score lies between 0, in good health, and what the configuration allows; everything this member expects of others in
time is given 1 + score times as long.
"""


class LocalHealth:
    """A score of one's own lateness: silence of everybody speaks about oneself."""

    __slots__ = ("_max", "score")

    def __init__(self, score_max: int) -> None:
        self._max = score_max
        self.score = 0

    @property
    def factor(self) -> int:
        """How many times longer probes last and how much rarer they are."""
        return 1 + self.score

    def worse(self, by: int = 1) -> None:
        """Something says that this member is slow or cut off."""
        self.score = min(self._max, self.score + by)

    def better(self) -> None:
        """An answer came in time."""
        self.score = max(0, self.score - 1)
