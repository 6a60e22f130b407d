"""What was asked of the disk, and what is to be said once it is done.

Invariant: what one commit made durable is said once for all its tickets where that means the same.
"""

from collections.abc import Sequence
from itertools import groupby

from msgspec import Struct

from mesh.crdt.effects import Composed, Ended, LedgerEffect, Stocked, Visible
from mesh.crdt.fold import Fold
from mesh.ids import NodeId

Asked = tuple[int, int]
"""A request, and the number of its first change in its batch."""


class Pending(Struct, frozen=True):
    """What to say once a ticket is stored. `asked` are the writes in it; `confirms` are requests that agree and change nothing."""

    fold: Fold
    source: NodeId | None = None
    asked: tuple[Asked, ...] = ()
    confirms: list[int] = []

    @property
    def requests(self) -> list[int]:
        """All that wait for an answer."""
        return [*(request for request, _ in self.asked), *self.confirms]


def told(done: Sequence[Pending]) -> list[LedgerEffect]:
    """What is to be said of tickets that are stored now."""
    said: list[LedgerEffect] = [emitted for pending in done for emitted in pending.fold.news]
    for source, group in groupby(done, key=lambda pending: pending.source):
        if stocked := tuple(opened for pending in group for opened in pending.fold.stocked):
            said.append(Stocked(stocked, source))
    said += [Ended(tuple(pending.fold.ends), pending.source) for pending in done if pending.fold.ends]
    if visible := tuple(opened for pending in done for opened in pending.fold.visible):
        said.append(Visible(visible))
    for pending in done:
        said += [Composed(request, pending.fold.stocked[-1].head, first) for request, first in pending.asked]
        said += [Composed(request, None) for request in pending.confirms]
    return said
