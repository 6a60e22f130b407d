"""Ends that came in and are not applied yet: the log is looked through for each, a little at a time (DESIGN §3).

Invariant: ends are applied one at a time, in the order in which they came; each is here once.
"""

from collections import deque

from msgspec import Struct

from mesh.crdt.ends import Ends, SignedEnd, open_end
from mesh.crdt.events import TakeEnds
from mesh.crdt.looking import Look, Sight
from mesh.ids import MeshId
from mesh.security.trust import Checker


class Arrived(Struct):
    """An end to be applied, and what was found for it; or, where `signed` is None, only a request to be answered."""

    signed: SignedEnd | None
    taken: TakeEnds
    look: Look | None = None


class Arriving:
    """The ends of a replica that are still to be applied. `work` is about how many bytes of the log are read at once."""

    def __init__(self, mesh: MeshId, trust: Checker, work: int) -> None:
        self._mesh, self._trust, self._work = mesh, trust, work
        self._coming: deque[Arrived] = deque()
        self._left = 0

    def __bool__(self) -> bool:
        return bool(self._coming)

    def add(self, taken: TakeEnds, known: Ends) -> None:
        """Take in those ends that are not known yet. Raises MalformedMessage at the first that the admin has not signed."""
        here = {one.signed.name for one in self._coming if one.signed is not None}
        try:
            for signed in taken.ends:
                end = open_end(signed, self._mesh, self._trust)
                if signed.name not in here and signed.name not in known.by_name:
                    self._coming.append(Arrived(signed, taken, Look(end)))
                    here.add(signed.name)
        finally:
            if taken.request is not None:
                self._coming.append(Arrived(None, taken))

    def begin(self) -> None:
        """Another portion may be read."""
        self._left = self._work

    def look(self, sight: Sight) -> bool:
        """Read on for the oldest end. Whether it can be applied now."""
        first = self._coming[0] if self._coming else None
        if first is not None and first.look is not None:
            self._left = first.look.step(sight, self._left)
        return first is not None and self._left > 0

    def next(self) -> Arrived:
        """The oldest end, which is no longer among those to come."""
        return self._coming.popleft()

    def start_again(self) -> None:
        """What was looked at may not have come to be: look at all of it again."""
        for one in self._coming:
            if one.signed is not None:
                one.look = Look(open_end(one.signed, self._mesh, self._trust))

    def forget(self) -> list[int]:
        """Let go of all of them. The requests that wait for an answer."""
        requests = [one.taken.request for one in self._coming if one.signed is None and one.taken.request is not None]
        self._coming.clear()
        return requests
