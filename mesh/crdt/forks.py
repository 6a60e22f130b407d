"""Forks as people see them: which writer, where its branches part, and the signed batches that prove it (DESIGN §5, Forks).

Invariant: what is listed depends on the tree of batches alone, never on the order they came in; a branch's name is the hash of its
writer and its first batch, the same at every replica.
"""

from collections.abc import Iterator

from msgspec import Struct

from mesh.crdt.batch import Batch, OpenBatch, decode_batch, open_batch
from mesh.crdt.branches import Tree, branch_id
from mesh.crdt.keys import batch_key
from mesh.crdt.lines import Context, Line, LineId, read_context
from mesh.crdt.replica import Reader, Table
from mesh.ids import MeshId, WriterId


class BranchProof(Struct, frozen=True):
    """One branch: its first batch as its writer signed it, and its newest number here (of all that goes on from it)."""

    name: LineId
    first: OpenBatch
    newest: int

    @property
    def batch(self) -> Batch:
        """The signed bytes."""
        return self.first.batch


class Fork(Struct, frozen=True):
    """Two or more batches of one writer with one number and one predecessor. `key` is its node's public key."""

    writer: WriterId
    number: int
    key: bytes
    branches: tuple[BranchProof, ...]


def scan_forks(reader: Reader, mesh: MeshId) -> Iterator[Fork]:
    """Every fork, by writer and number."""
    context = read_context(reader)
    for writer in sorted(context.branches):
        family = context.family(writer)
        points = {line.leaves: None for line in family if line.leaves is not None}
        forks = [_fork(reader, mesh, family, point) for point in points]
        yield from sorted(forks, key=lambda fork: (fork.number, fork.branches[0].name))


def _fork(reader: Reader, mesh: MeshId, family: list[Line], point: tuple[LineId, int]) -> Fork:
    base, before = point
    starts = [line for line in family if line.id == base or line.leaves == point]
    if before == 0:  # They leave the writer's line before its first batch.
        starts = [line for line in family if line.first == 1]
    firsts = {line.id: _batch(reader, mesh, line, before + 1) for line in starts}
    newest = dict.fromkeys(firsts, 0)
    tree = Tree(reader, Context({line.id: line for line in family}))
    for line in family:
        start = tree.owner(line, before + 1).id
        if start in newest:
            newest[start] = max(newest[start], line.have.number)
    writer = family[0].have.writer
    proofs = [BranchProof(branch_id(writer, firsts[line].hash), firsts[line], newest[line]) for line in firsts]
    return Fork(writer, before + 1, family[0].key, tuple(sorted(proofs, key=lambda proof: proof.name)))


def _batch(reader: Reader, mesh: MeshId, line: Line, number: int) -> OpenBatch:
    row = reader.get(Table.BATCHES, batch_key(line.id, number))
    assert row is not None, f"batch {number} of {line.id.hex()} is in the context, not in the log"
    return open_batch(decode_batch(row), mesh)
