"""Seeds are asked after for ever: two meshes that formed behind one name, or after the book was lost, meet (DESIGN §7).

Invariant: a mesh of any size looks its seeds up `seeds_interval_s` apart in the mean, together, and no member less often than
`PAUSE_S_MAX` in the mean; who is alone does so as often as it redials. Where no member listens somebody is dialled.
"""

from collections.abc import Sequence
from random import Random

from mesh.config import GossipConfig
from mesh.effects import Dial, GossipEffect, LookUp
from mesh.gossip.roster import Roster
from mesh.ids import Address

PAUSE_S_MAX = 3600.0  # A thousand members: 17 look-ups per minute in all; perhaps one of them alone has the name.
PAUSES_MAX = 3.0  # The longest pause, in means: one in twenty would be longer.
CONTACTED_MAX = 16  # Of the addresses that a name has, at once; lots are drawn anew the next time.


class Seeds:
    """Looks seeds up again and again.

    Pauses are drawn from an exponential law, so that the look-ups of a mesh are a Poisson process of one rate: members that
    started together don't ask together.
    """

    __slots__ = ("_at", "_config", "_rng", "_roster", "_seeds")

    def __init__(
        self, seeds: tuple[Address, ...], roster: Roster, config: GossipConfig, rng: Random, now: float
    ) -> None:
        self._seeds, self._roster, self._config, self._rng = seeds, roster, config, rng
        self._at = now if seeds else float("inf")

    def deadline(self) -> float:
        """When the seeds are looked up next."""
        return self._at

    def tick(self, now: float) -> list[GossipEffect]:
        """Look the seeds up if that is due."""
        if now < self._at:
            return []
        self._at = now + self._pause_s()
        return [LookUp(at) for at in self._seeds]

    def _pause_s(self) -> float:
        size = self._roster.size
        if size == 1:
            return self._config.redial_interval_s * (0.75 + self._rng.random() / 2)
        mean_s = min(self._config.seeds_interval_s * size, max(self._config.seeds_interval_s, PAUSE_S_MAX))
        return mean_s * min(self._rng.expovariate(1.0), PAUSES_MAX)

    def found(self, addresses: Sequence[Address]) -> list[GossipEffect]:
        """A name was looked up: whoever listens where no member does may be of another mesh behind the same name."""
        new = [at for at in dict.fromkeys(addresses) if not self._has(at)]
        chosen = new if len(new) <= CONTACTED_MAX else self._rng.sample(new, CONTACTED_MAX)
        return [Dial(at) for at in chosen]

    def _has(self, at: Address) -> bool:
        return at == self._roster.own.claim.address or bool(self._roster.at(at))
