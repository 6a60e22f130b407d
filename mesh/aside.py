"""What a node still does that stands back because its disk was copied (DESIGN §4): it takes no writes, hands over, then is quiet.

Invariant: from the moment it stands back it takes no write and says nothing new of itself. For `HAND_OVER_S` it goes on as a
peer, so that others get what it wrote; then it closes its streams and sends nothing, because answers meant for the other one would
come here. It does not come back by itself: that the other is gone cannot be told from a cut, and two would run the same units.
"""

from mesh.crdt.events import RetryHeld, Stored, StoreFailed, TakeEnds
from mesh.effects import Effect, Hangup, NotComposed, Send
from mesh.errors import Refused
from mesh.events import Connected, Publish
from mesh.gossip.roster import Roster
from mesh.messages import Gossip
from mesh.records import Submit, Together

HAND_OVER_S = 20.0  # Several rounds of reconciliation with anybody who can be reached.
TELL_S = 4.0  # The other one is told again meanwhile, because a datagram may be lost.
_NEVER = float("inf")


class Aside:
    """Answers in the place of the other cores once this node stands back."""

    __slots__ = ("_quiet", "_quiet_at", "_roster", "_tell_at", "refusal")

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self.refusal: Refused | None = None  # What writes are answered with, since this node stands back.
        self._quiet_at = self._tell_at = _NEVER
        self._quiet = False

    def limit(self, deadline: float) -> float:
        """The deadline of the whole peer, given that of its other cores."""
        return _NEVER if self._quiet else min(deadline, self._quiet_at, self._tell_at)

    def begin(self, now: float) -> Refused | None:
        """What writes are answered with from now on, once, when this node has just learnt that it must stand back."""
        stranger = self._roster.lives.displaced_by
        if stranger is None or self.refusal is not None:
            return None
        self.refusal, self._quiet_at = refusal(str(stranger.address)), now + HAND_OVER_S
        self._tell_at = now + TELL_S
        return self.refusal

    def handle(self, event: object, now: float) -> list[Effect] | None:
        """React to one event; None where the other cores do."""
        if self.refusal is None:
            return None
        match event:
            case RetryHeld(request=int(request)) | TakeEnds(source=None, request=int(request)):
                return [NotComposed(request, self.refusal)]
            case Publish():
                return []
            case Stored() | StoreFailed() | Submit() | Together():
                return None
            case _:
                pass
        return self._fall_quiet(event) if now >= self._quiet_at else None

    def tick(self, now: float) -> list[Send]:
        """Tell the other one again who stands back for it, when that is due."""
        stranger = self._roster.lives.displaced_by
        if stranger is None or not self._tell_at <= now < self._quiet_at:
            return []
        self._tell_at = now + TELL_S
        return [Send(self._roster.me, stranger.address, Gossip((self._roster.own.signed,)))]

    def _fall_quiet(self, event: object) -> list[Effect]:
        self._quiet, before = True, self._quiet
        if not before:
            return [Hangup(node) for node in self._roster.others()]
        return [Hangup(event.node)] if isinstance(event, Connected) else []


def refusal(stranger: str) -> Refused:
    """Why a write is refused, and what to do."""
    return Refused(
        f"this node's disk was copied: another node runs with its key at {stranger}, and this one stands back and only reads",
        rule="of two nodes on copies of one disk, one writes",
        todo="write there; or stop that node, and start this one again, which goes on as a new writer",
    )
