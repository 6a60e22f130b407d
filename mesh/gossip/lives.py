"""Lives: what is heard in this node's own name is of an older life, or of a stranger on a copy of its disk (DESIGN §4).

Invariant: whoever outranks *this* life by name was alive after it began; of two such the lower (boot count, then its 64 random
bits) stands back, so never both. An older life names no later one: it is outranked and silent.
"""

from enum import Enum

from mesh.ids import Boot
from mesh.messages import OVER_MAX, Claim

OUTRANKED_MAX = 8  # Older lives are few. Beyond that somebody goes on answering, whatever he names.


class Judgement(Enum):
    """What to do about a claim in this node's own name."""

    NOTHING = "it says nothing new"
    REFUTE = "it is of this very life, with a higher counter"
    OUTRANK = "it is of another life with a higher boot"
    STAND_BACK = "it outranks this life, which it knows: this node's disk was copied, and this node is the lower"
    COPIED = "it knows this life and is below it: this node's disk was copied, and the other one stands back"


class Lives:
    """Judges what is heard in this node's own name."""

    __slots__ = ("_outranked", "copy", "displaced_by")

    def __init__(self) -> None:
        self._outranked = 0
        self.displaced_by: Claim | None = None  # The stranger for whom this node stands back, for as long as it runs.
        self.copy: Claim | None = None  # The newest claim of a stranger that stands back for this node.

    def judge(self, own: Claim, heard: Claim) -> Judgement:
        """What a claim in this node's name means, and remember the strangers."""
        if self.displaced_by is not None:
            return Judgement.NOTHING
        if heard.boot == own.boot:
            return Judgement.REFUTE if heard.counter > own.counter else Judgement.NOTHING
        if heard.boot < own.boot:
            return self._meet_lower(own, heard)
        if own.boot.noise in heard.over or self._outranked >= OUTRANKED_MAX:
            self.displaced_by = heard
            return Judgement.STAND_BACK
        return Judgement.OUTRANK

    def outrank(self, heard: Boot, own: Boot) -> Boot:
        """The boot to take above one that was heard."""
        self._outranked += 1
        return Boot(heard.count + 1, own.noise)

    def _meet_lower(self, own: Claim, heard: Claim) -> Judgement:
        if own.boot.noise not in heard.over or heard == self.copy:
            return Judgement.NOTHING
        self.copy = heard
        return Judgement.COPIED


def knowing(own: Claim, heard: Boot, over: tuple[int, ...]) -> tuple[int, ...]:
    """The other lives that this one knows of after it heard of one that was `over` others, the newest last.

    Of three copies in a ring each hears of one other alone; what that one outranked tells it of the third.
    """
    known = dict.fromkeys((heard.noise, *reversed(over), *reversed(own.over)))
    return tuple(noise for noise in known if noise != own.boot.noise)[OVER_MAX - 1 :: -1]
