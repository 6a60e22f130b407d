"""The state as of a moment: which batches count (DESIGN §5).

Invariant: what is left is causally closed once a whole pass over it cut nothing: a batch is in only with its predecessor and with
all that it names; and nothing that could have stayed was cut, because a cut only follows from the moment or from another cut.
"""

from collections.abc import Mapping

from mesh.crdt.batch import Content
from mesh.crdt.clock import COUNTER_BITS
from mesh.ids import WriterId

_FLOAT_MS = 0.1  # Far less than a stamp can tell, more than a float loses even in some thousand years.


def last_stamp(seconds: float) -> int:
    """The highest stamp of the millisecond `seconds` (since 1970)."""
    return ((int(seconds * 1000 + _FLOAT_MS) + 1) << COUNTER_BITS) - 1


class Cut:
    """Narrows `position` to the largest causally closed set of batches that are stamped at most `stamp`.

    Show it the contents of all batches within `position`, each writer's in order; again and again until a pass leaves it as it is.
    """

    def __init__(self, position: Mapping[WriterId, int], stamp: int) -> None:
        self.position = {writer: position[writer] for writer in sorted(position)}
        self._stamp = stamp

    def look(self, content: Content) -> bool:
        """Look at one batch. True: it cannot be in, so neither it nor what follows it in its chain is within `position` now."""
        if content.number > self.position[content.writer]:
            return False
        if content.stamp <= self._stamp and self._has_needs(content):
            return False
        self.position[content.writer] = content.number - 1
        return True

    def _has_needs(self, content: Content) -> bool:
        needs = [(head.writer, head.number) for head in content.after]
        needs += [(dot.writer, dot.number) for change in content.changes for dot in change.over]
        others = (need for need in needs if need[0] != content.writer)  # Its own chain is kept by its number.
        return all(self.position.get(writer, 0) >= number for writer, number in others)
