"""Several writes in one batch: the batch says where each begins, so that what is left of one is told without the others.

Invariant: the parts of a batch are neighbours and cover all its changes; one that says nothing of parts, or nonsense, is one part.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from mesh.crdt.batch import Content
from mesh.crdt.events import Compose

PARTS = (
    "parts"  # In `about`: the numbers of the changes with which the parts begin. Who does not know it sees one part.
)


def joined(writes: Sequence[Compose]) -> Compose:
    """The write that does what these do, which have one author and say the same of themselves. Its request is nobody's."""
    edits = tuple(edit for write in writes for edit in write.edits)
    parts = " ".join(map(str, beginnings(writes)))
    return Compose(0, edits, writes[0].author, {**writes[0].about, PARTS: parts})


def beginnings(writes: Sequence[Compose]) -> list[int]:
    """The number of the first change of each write within the batch of all: an edit becomes one change."""
    return [0, *accumulate(len(write.edits) for write in writes[:-1])]


def part_of(content: Content, index: int) -> range:
    """The numbers of the changes that were asked for together with change `index`."""
    whole = range(len(content.changes))
    try:
        begin = [int(number) for number in content.about.get(PARTS, "0").split()]
    except ValueError:
        return whole
    if begin[:1] != [0] or begin != sorted(set(begin)) or index not in whole or begin[-1] not in whole:
        return whole
    part = bisect_right(begin, index)
    return range(begin[part - 1], begin[part] if part < len(begin) else whole.stop)
