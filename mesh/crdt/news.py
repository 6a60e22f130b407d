"""What a fold has to tell people of a batch.

Invariant: it names the writer and the number of the batch, and a reason.
"""

from mesh.crdt.batch import OpenBatch
from mesh.crdt.branches import branch_id
from mesh.crdt.effects import Emit, Fact


def fork_news(opened: OpenBatch) -> Emit:
    """Two branches of a writer are known."""
    reason = "two different batches have this number: a disk was copied or restored, or a key stolen; both are kept"
    branch = branch_id(opened.content.writer, opened.hash).hex()
    return Emit(
        "ledger.fork", {**about_batch("", opened, reason).about, "branch": branch, "author": opened.content.author}
    )


def about_batch(name: str, opened: OpenBatch, reason: str) -> Emit:
    """Something became of a batch."""
    about: dict[str, Fact] = {
        "writer": opened.content.writer.hex(),
        "number": opened.content.number,
        "reason": reason,
    }
    return Emit(name, about)
