"""What a simulated machine's clock shows.

Invariant: a moment given by `when` is the first at which the machine's clock has reached the time asked for.
"""

from math import inf, nextafter


class Clock:
    """A clock that is `offset_s` ahead of virtual time and runs at its pace."""

    __slots__ = ("_offset_s",)

    def __init__(self, offset_s: float) -> None:
        self._offset_s = offset_s

    def local(self, now: float) -> float:
        """What this clock shows at the moment `now`."""
        return now + self._offset_s

    def when(self, local: float) -> float:
        """The moment at which this clock shows `local`."""
        moment = local - self._offset_s
        while (
            moment + self._offset_s < local
        ):  # Rounding: a deadline that is not quite reached would be asked for for ever.
            moment = nextafter(moment, inf)
        return moment
