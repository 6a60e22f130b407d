"""What a peer holds, as its probes say it: looked up again only where something may have changed it.

Invariant: what is told is what the parts say. The roster counts its changes; whoever speaks to another part says so here.
"""

from mesh.crdt.board import Boards
from mesh.crdt.ledger import Ledger
from mesh.gossip.repair import Repair
from mesh.gossip.roster import Roster
from mesh.messages import Digests

NEVER = -1


class Holding:
    """The digests of one peer's roster, ledger and boards. Durable state only."""

    __slots__ = ("_boards", "_held", "_ledger", "_repair", "_roster", "_seen")

    def __init__(self, roster: Roster, ledger: Ledger, boards: Boards, repair: Repair) -> None:
        self._roster, self._ledger, self._boards, self._repair = roster, ledger, boards, repair
        self._held, self._seen = Digests(b"", b"", b""), NEVER

    def changed(self) -> None:
        """Ledger, boards or their repair were spoken to."""
        self._seen = NEVER

    def digests(self) -> Digests:
        """All digests; the same value with its summary, if that was asked for before, as long as they are the same."""
        changes = self._roster.changes
        if self._seen != changes:
            found = self._found()
            self._held, self._seen = self._held if found == self._held else found, changes
        return self._held

    def _found(self) -> Digests:
        ledger = self._ledger.durable.digest
        return Digests(self._roster.digest, ledger, self._boards.digest, self._repair.state())

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        assert self.digests() == self._found(), "what is held has changed and nobody said so"
