"""The frontier: the applied batches that a new batch has to name so that it comes after all that is applied here.

Invariant: a head that another applied batch depends on is left out, because whoever waits for that one has waited for it too; so a
list of dependencies grows with concurrency and not with the number of writers.
"""

from mesh.crdt.batch import OpenBatch
from mesh.crdt.lines import Context
from mesh.ids import Head, WriterId


class Frontier:
    """The maximal applied heads since this node's own last batch."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._heads: dict[WriterId, tuple[Head, ...]] = {}
        for line in context.lines.values():
            if line.has_applied:
                self._add(line.applied)

    def _add(self, head: Head) -> None:
        self._heads[head.writer] = (*self._heads.get(head.writer, ()), head)

    def add(self, opened: OpenBatch) -> None:
        """A batch was applied (or is void, which counts as well)."""
        for head in opened.content.after:
            self._imply(head.writer, head.number, head.hash)
        for change in opened.content.changes:
            for dot in change.over:
                self._imply(dot.writer, dot.number, dot.mark)
        self._imply(opened.content.writer, opened.content.number - 1, opened.content.previous)
        self._add(opened.head)

    def _imply(self, writer: WriterId, number: int, named: bytes) -> None:
        """Leave out what whoever waits for that batch has waited for: of a forked writer, for sure only that very batch."""
        heads = self._heads.get(writer)
        if heads is None:
            return
        if writer in self._context.branches:
            kept = tuple(head for head in heads if head.number != number or not head.hash.startswith(named))
        else:
            kept = tuple(head for head in heads if head.number > number)
        if kept:
            self._heads[writer] = kept
        else:
            del self._heads[writer]

    def heads(self, own: WriterId) -> list[Head]:
        """What the next batch of writer `own` has to name, ordered by writer."""
        return [head for writer in sorted(self._heads) if writer != own for head in sorted(self._heads[writer])]

    def clear(self) -> None:
        """This node's own new batch comes after everything."""
        self._heads.clear()
