"""That two live changes of one forked writer lie on different branches, so that neither replaces the other.

Of two with one number that is plain. Of others the batches between them show it: from the one with the higher number back, each by
the hash of the one before, to the number of the other, and there stands another hash.

Invariant: what `check_apart` lets pass no chain of the writer holds together.
"""

from collections.abc import Iterable, Iterator, Mapping

from mesh.crdt.batch import OpenBatch
from mesh.crdt.branches import Tree
from mesh.crdt.history import Place
from mesh.crdt.lines import Context, read_family
from mesh.crdt.replica import Reader
from mesh.errors import MalformedMessage
from mesh.ids import BatchHash, Dot, WriterId


def places_between(reader: Reader, live: Iterable[Dot]) -> Iterator[Place]:
    """Where the batches stand that show that these live changes of a cell lie on different branches; none for one of each writer.

    Where three branches share a batch, it comes again.
    """
    for writer, dots in _by_writer(live).items():
        context = Context(read_family(reader, writer))
        tree = Tree(reader, context)
        lines = [(tree.find(writer, dot.number, dot.mark), dot.number) for dot in dots]
        lowest = min(dot.number for dot in dots)
        yield from ((tree.owner(line, n).id, n) for line, number in lines if line for n in range(lowest + 1, number))


def _by_writer(dots: Iterable[Dot]) -> dict[WriterId, list[Dot]]:
    found: dict[WriterId, list[Dot]] = {}
    for dot in dots:
        found.setdefault(dot.writer, []).append(dot)
    return found


def check_apart(live: Iterable[OpenBatch], between: Iterable[OpenBatch]) -> None:
    """Raise MalformedMessage unless no two of these batches lie on one chain of their writer, as far as `between` shows it."""
    known = {opened.hash: opened for opened in between}
    writers: dict[WriterId, list[OpenBatch]] = {}
    for opened in live:
        writers.setdefault(opened.content.writer, []).append(opened)
    for some in writers.values():
        lowest = min(opened.content.number for opened in some)
        hashes = {opened.hash for opened in some}
        if len(hashes) < len(some):
            raise MalformedMessage("the proof names two changes of one batch in one field")
        for opened in some:
            if not hashes.isdisjoint(_before(opened, lowest, known)):
                raise MalformedMessage(
                    "one of the changes that the proof names replaces another of its writer: they are not all live"
                )


def _before(opened: OpenBatch, lowest: int, known: Mapping[BatchHash, OpenBatch]) -> list[BatchHash]:
    """The hashes of the batches before this one on its chain, down to number `lowest`."""
    found: list[BatchHash] = []
    at = opened
    while at.content.number > lowest:
        found.append(at.content.previous)
        number = at.content.number - 1
        if number == lowest:
            break
        before = known.get(at.content.previous)
        if before is None or (before.content.writer, before.content.number) != (opened.content.writer, number):
            raise MalformedMessage(
                f"two changes of writer {opened.content.writer.hex()} are named, and its batch {number}, which would show that "
                "they lie on different branches, is not in the proof"
            )
        at = before
    return found
