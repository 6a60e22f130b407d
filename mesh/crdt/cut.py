"""The state as of a moment: which batches count (DESIGN §5).

Invariant: what is left is causally closed once a whole pass over it cut nothing: a batch is in only with its predecessor and with
all that it names; and nothing that could have stayed was cut, because a cut only follows from the moment or from another cut.
"""

from mesh.crdt.batch import Content
from mesh.crdt.branches import Position, Spans, Tree, line_of
from mesh.crdt.clock import COUNTER_BITS
from mesh.crdt.lines import LineId, read_context
from mesh.crdt.replica import Reader
from mesh.ids import Dot, WriterId

_FLOAT_MS = 0.1  # Far less than a stamp can tell, more than a float loses even in some thousand years.


def last_stamp(seconds: float) -> int:
    """The highest stamp of the millisecond `seconds` (since 1970)."""
    return ((int(seconds * 1000 + _FLOAT_MS) + 1) << COUNTER_BITS) - 1


class Cut:
    """Narrows `position` to the largest causally closed set of batches that are stamped at most `stamp`.

    Show it the contents of all batches within `position`, each line's in order; again and again until a pass leaves it as it is.
    """

    def __init__(self, reader: Reader, position: Position, stamp: int) -> None:
        self._context = read_context(reader)
        spans = Tree(reader, self._context).spans(position)
        self._spans: Spans = {line: spans[line] for line in sorted(spans)}
        self._stamp = stamp

    def position(self, reader: Reader) -> dict[WriterId, int]:
        """What is left."""
        return Tree(reader, self._context).position(self._spans)

    def look(self, reader: Reader, line: LineId, content: Content) -> bool:
        """Look at one batch. True: it cannot be in, so neither it nor what follows it in its line is within `position` now."""
        if content.number > self._spans.get(line, 0):
            return False
        if content.stamp <= self._stamp and self._has_needs(reader, line, content):
            return False
        self._spans[line] = content.number - 1
        return True

    def _has_needs(self, reader: Reader, line: LineId, content: Content) -> bool:
        needs = [Dot(head.writer, head.number, 0, head.hash) for head in content.after]
        needs += [dot for change in content.changes for dot in change.over]
        own = self._context.lines[line]
        if own.leaves is not None and not self._has(*own.leaves):
            return False
        others = (need for need in needs if need.writer != content.writer or need.number < content.number)
        return all(self._has(self._line_of(reader, need), need.number) for need in others)

    def _line_of(self, reader: Reader, need: Dot) -> LineId:
        return line_of(reader, need) if need.writer in self._context.branches else need.writer

    def _has(self, line: LineId, number: int) -> bool:
        return self._spans.get(line, 0) >= number
