"""Why a node does not make a write that it would not show.

Invariant: a write is answered as stored only if the peer that made it shows it; whoever hears one of these errors changed nothing.
"""

from mesh.crdt.damage import Damaged
from mesh.crdt.effects import LedgerEffect, NotComposed
from mesh.crdt.ends import End
from mesh.crdt.fates import Held, Void
from mesh.crdt.keys import batch_key
from mesh.crdt.lines import Context, Line
from mesh.crdt.pending import Asked
from mesh.crdt.replica import Reader, Table
from mesh.errors import DamagedRow, Refused
from mesh.ids import NO_BATCH, NodeId, WriterId


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


def is_ended(context: Context, node: NodeId, writer: WriterId) -> End | None:
    """The end of this node, or the one behind which its writer's next batch would stand."""
    if node in context.ends.nodes:
        return context.ends.nodes[node]
    line = context.lines.get(writer)
    tip = (line.have.number, line.have.hash) if line is not None else (0, NO_BATCH)
    return next((end for end in context.ends.of(writer) if (end.number, end.hash) == tip), None)


def refuse_ended(context: Context, node: NodeId, writer: WriterId) -> None:
    """A write of a node or writer that an admin has ended would count nowhere. Raises Refused."""
    if (end := is_ended(context, node, writer)) is None:
        return
    what = "this node" if end.node is not None else f"this node's writes behind batch {end.number}"
    raise Refused(
        f"{end.author} has ended {what}: {end.reason or 'no reason was given'}",
        rule="what an ended writer signs has no effect anywhere",
        todo="write at another peer; where this node is trusted again, let it join the mesh anew, in a fresh folder",
    )


def not_applied(verdict: Void | Held) -> Refused:
    """What a client hears of a write that this peer would sign and not show."""
    return Refused(
        f"this peer would not show the write, so it did not make it: {verdict.reason}",
        rule="a write is shown where it is made",
        todo="write at another peer, and report this one",
    )


def refuse_strays(cells: list[bytes], asked: tuple[Asked, ...]) -> list[LedgerEffect]:
    """A write over cells that hold changes of others would be void at every other peer; they are made again from the log first."""
    error = DamagedRow(Table.CELLS, cells[0], "it holds a change of another field")
    return [*(NotComposed(request, error) for request, _ in asked), *(Damaged(Table.CELLS, key) for key in cells)]
