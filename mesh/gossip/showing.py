"""Showing: two peers bring each other's boards to the newest (DESIGN §6, §8).

Invariant: what is sent follows the difference; one answer holds a bounded part of it, and the rest is asked for only while asking
helps.
"""

from collections.abc import Iterator

from mesh.crdt.board import Boards as HeldBoards
from mesh.crdt.board import SignedDelta
from mesh.crdt.sums import EVERYTHING, Span, differing, grain_for, grain_of
from mesh.effects import Stream
from mesh.events import Received
from mesh.ids import Address, Boot, NodeId
from mesh.messages import HEADS_MAX, Boards, BoardVersion, Versions, VersionSums

FEW = 32  # So many versions are sent at once: their sums would be no shorter.
PARCEL_BYTES = 256 * 1024  # One answer. The receiver checks a signature and writes a row for each delta.
_NOTHING = (Boot(-1, 0), 0)


class Showing:
    """Compares boards with peers."""

    __slots__ = ("_asked", "_boards")

    def __init__(self, boards: HeldBoards) -> None:
        self._boards = boards
        self._asked: dict[
            NodeId, bytes
        ] = {}  # The digest when more was asked of a peer: the same again would not help.

    def ask(self, node: NodeId, at: Address) -> list[Stream]:
        """Ask what differs: by naming all versions where they are few, by sums otherwise."""
        count = len(self._boards.owners())
        if count <= FEW:
            return list(self._name(EVERYTHING, (node, at), reply=True))
        return [Stream(node, at, VersionSums(self._boards.sums(grain_for(count))))]

    def handle(self, received: Received) -> list[Stream]:
        """React to what a peer says of boards. Raises MalformedMessage for sums that cannot be compared."""
        to = (received.sender, received.at)
        match received.message:
            case VersionSums(sums):
                return self._on_sums(to, sums)
            case Versions() as versions:
                return self._on_versions(to, versions)
            case Boards(more=True):
                return self._on_more(to)
            case _:
                return []

    def _on_sums(self, to: tuple[NodeId, Address], sums: bytes) -> list[Stream]:
        of = grain_of(sums)
        span = Span(of, differing(self._boards.sums(of), sums))
        return list(self._name(span, to, reply=True)) if span.buckets else []

    def _on_versions(self, to: tuple[NodeId, Address], theirs: Versions) -> list[Stream]:
        answer = list(self._name(theirs.span, to, reply=False)) if theirs.reply else []
        deltas, more = self._lacking(theirs)
        return [*answer, Stream(*to, Boards(deltas, more, pulled=True))] if deltas else answer

    def _on_more(self, to: tuple[NodeId, Address]) -> list[Stream]:
        digest = self._boards.digest
        if self._asked.get(to[0]) == digest:
            return []
        self._asked[to[0]] = digest
        return self.ask(*to)

    def _name(self, span: Span, to: tuple[NodeId, Address], reply: bool) -> Iterator[Stream]:
        """Our versions in a span, in as many pages as they need."""
        held = self._boards.owners()
        owners = sorted(filter(span.covers, held))
        after = span.after
        for start in range(0, max(1, len(owners)), HEADS_MAX):
            some = owners[start : start + HEADS_MAX]
            until = some[-1] if start + HEADS_MAX < len(owners) else span.until
            versions = tuple(BoardVersion(owner, held[owner].boot, held[owner].version) for owner in some)
            yield Stream(*to, Versions(versions, reply, Span(span.of, span.buckets, after, until)))
            after = until

    def _lacking(self, theirs: Versions) -> tuple[tuple[SignedDelta, ...], bool]:
        """The deltas that the other side lacks, as many as fit, and whether there are more."""
        known = {board.owner: (board.boot, board.version) for board in theirs.boards}
        owners = sorted(filter(theirs.span.covers, self._boards.owners()))
        taken: list[SignedDelta] = []
        room = PARCEL_BYTES
        for signed in (s for owner in owners for s in self._boards.since(owner, *known.get(owner, _NOTHING))):
            room -= len(signed.body) + len(signed.signature)
            if room < 0 and taken:
                return tuple(taken), True
            taken.append(signed)
        return tuple(taken), False
