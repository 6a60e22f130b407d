"""What a peer holds, compared with what is held here, where both may hold several branches of a writer (DESIGN §5, §8).

Invariant: as long as nobody forked, one number for each writer tells all; where a head of the peer proves a branch that is not
here, what it lacks is what lies behind the newest batch that both are known to have. To find that one, peers send each other
*anchors*: batches on the way to their heads, at exponentially growing distance.
"""

from collections.abc import Iterable

from mesh.crdt.branches import Spans, Tree
from mesh.crdt.lines import Context, Line
from mesh.crdt.replica import Reader
from mesh.ids import Head, WriterId

HASH_BYTES = 32


class Compared:
    """How far a peer holds our lines, as its heads tell."""

    def __init__(self, reader: Reader, context: Context, theirs: Iterable[Head]) -> None:
        self._context = context
        self._tree = Tree(reader, context)
        self._heads: dict[WriterId, list[Head]] = {}
        for head in theirs:
            self._heads.setdefault(head.writer, []).append(head)

    @property
    def named(self) -> list[WriterId]:
        """The writers of which the peer told something."""
        return list(self._heads)

    def behind(self, writer: WriterId) -> list[tuple[Line, int]]:
        """The lines of a writer of which the peer lacks batches behind a number; each behind the line that it leaves."""
        held = self._held(writer)
        found = [(line, held.get(line.id, 0)) for line in self._context.family(writer)]
        return [(line, number) for line, number in found if number < line.have.number]

    def forked(self) -> list[WriterId]:
        """Writers of which the peer holds a branch that is not here: proven by its heads, if it tells the truth."""
        return [writer for writer in self._heads if self._is_forked(writer)]

    def _is_forked(self, writer: WriterId) -> bool:
        heads = [head for head in self._heads.get(writer, ()) if len(head.hash) == HASH_BYTES]
        found = [head.number for head in heads if self._find(head) is not None]
        family = self._context.family(writer)
        if not family or len(found) == len(heads):
            return False
        longest = max(line.have.number for line in family)
        proof = any(1 <= head.number <= longest and self._find(head) is None for head in heads)
        return proof or len(family) > 1 or (len(heads) > 1 and max(found, default=0) < longest)

    def _held(self, writer: WriterId) -> Spans:
        """How far the peer holds each line of a writer. Nothing, where all its heads lie on branches that we don't know."""
        heads = self._heads.get(writer, [])
        family = self._context.family(writer)
        if len(family) == 1 and len(heads) <= 1 and not self._is_forked(writer):
            newest = max((head.number for head in heads), default=0)
            return {writer: max(0, newest)}
        held: Spans = {}
        for head in heads:
            if (line := self._find(head)) is not None:
                self._tree.extend(held, line, head.number)
        if held or not heads or any(head.number == 1 for head in heads):  # Anchors go down to the first.
            return held
        return {line.id: line.have.number for line in family}  # Anchors will tell where to begin.

    def _find(self, head: Head) -> Line | None:
        return self._tree.find(head.writer, head.number, head.hash)


def anchors(reader: Reader, context: Context, writer: WriterId) -> tuple[Head, ...]:
    """Batches of a writer that are held here, at exponentially growing distance back from each tip, so that a peer that holds
    another branch can find about the newest batch in common."""
    tree = Tree(reader, context)
    found: dict[Head, None] = {}
    for line in context.family(writer):
        distance = 1
        while (number := line.have.number - distance) >= 1:
            found[tree.head_at(line, number)] = None
            distance *= 2
        found[tree.head_at(line, 1)] = None
    return tuple(found)
