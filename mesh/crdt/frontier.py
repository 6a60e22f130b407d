"""The frontier: the applied batches that a new batch has to name so that it comes after all that is applied here.

Invariant: a head that another applied batch depends on is left out, because whoever waits for that one has waited for it too; so a
list of dependencies grows with concurrency and not with the number of writers.
"""

from mesh.crdt.batch import OpenBatch
from mesh.crdt.lines import Lines
from mesh.ids import Head, WriterId


class Frontier:
    """The maximal applied heads since this node's own last batch."""

    def __init__(self, lines: Lines) -> None:
        applied = [line.applied for line in lines.values()]
        self._heads: dict[WriterId, Head] = {head.writer: head for head in applied if head.number}

    def add(self, opened: OpenBatch) -> None:
        """A batch was applied (or is void, which counts as well)."""
        for head in opened.content.after:
            self._imply(head.writer, head.number)
        for change in opened.content.changes:
            for dot in change.over:
                self._imply(dot.writer, dot.number)
        self._heads[opened.content.writer] = opened.head

    def _imply(self, writer: WriterId, number: int) -> None:
        head = self._heads.get(writer)
        if head is not None and head.number <= number:
            del self._heads[writer]

    def heads(self, own: WriterId) -> list[Head]:
        """What the next batch of writer `own` has to name, ordered by writer."""
        return [self._heads[writer] for writer in sorted(self._heads) if writer != own]

    def clear(self) -> None:
        """This node's own new batch comes after everything."""
        self._heads.clear()
