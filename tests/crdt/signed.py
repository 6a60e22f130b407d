"""All that was ever signed in a world, and what the ends among it take, straight from the definition (DESIGN §5, Ends).

Invariant: nothing is forgotten; what is taken follows from hashes alone, and from nothing that a ledger does.
"""

from collections.abc import Iterable

from mesh.crdt.batch import OpenBatch
from mesh.crdt.ends import End, SignedEnd, open_end
from mesh.ids import BatchHash, Head
from tests.crdt.admin import ADMIN
from tests.crdt.site import MESH


class Signed:
    """Batches by hash, and ends."""

    def __init__(self) -> None:
        self.batches: dict[BatchHash, OpenBatch] = {}
        self.ends: dict[SignedEnd, End] = {}

    def add(self, batches: Iterable[OpenBatch]) -> None:
        """These were signed."""
        self.batches |= {opened.hash: opened for opened in batches}

    def end(self, signed: SignedEnd) -> None:
        """The admin signed this."""
        self.ends[signed] = open_end(signed, MESH, ADMIN)

    def is_taken(self, head: Head) -> bool:
        """Whether an end takes this batch, or one before it on its chain."""
        at = self.batches.get(head.hash)
        while at is not None:
            if any(_bars(end, at) for end in self.ends.values()):
                return True
            at = self.batches.get(at.content.previous)
        return False


def _bars(end: End, opened: OpenBatch) -> bool:
    content = opened.content
    follows = (content.writer, content.number, content.previous) == (end.writer, end.number + 1, end.hash)
    return follows and end.branch in (b"", opened.hash)
