"""Why a node does not make a write that it would not show.

Invariant: a write is answered as stored only if the peer that made it shows it; whoever hears one of these errors changed nothing.
"""

from mesh.crdt.fates import Held, Void
from mesh.crdt.keys import batch_key
from mesh.crdt.lines import Line
from mesh.crdt.replica import Reader, Table
from mesh.errors import Refused


def refuse_held_chain(reader: Reader, line: Line | None) -> None:
    """A write behind a batch of this node that is held would not be shown. Raises Refused."""
    if line is None or line.applied.number == line.have.number:
        return
    number = line.applied.number + 1
    why = (reader.get(Table.FATES, batch_key(line.id, number)) or b"held").decode()
    raise Refused(
        f"this node's own batches from number {number} on cannot be applied here ({why}): a new write would not be shown",
        rule="a node writes behind its own newest batch",
        todo="see `mesh held`; upgrade this node where its package is older than its data, or write at another peer",
    )


def not_applied(verdict: Void | Held) -> Refused:
    """What a client hears of a write that this peer would sign and not show."""
    return Refused(
        f"this peer would not show the write, so it did not make it: {verdict.reason}",
        rule="a write is shown where it is made",
        todo="write at another peer, and report this one",
    )
