"""Forks as clients see them: who, where, which branches, and the signed batches that prove it.

Invariant: everything is read from one state, and each batch is given as its writer signed it.
"""

from msgspec import Struct

from mesh.api.conflicts import peer_of
from mesh.api.reading import position_of
from mesh.api.shapes import Nothing
from mesh.crdt.clock import seconds_of
from mesh.crdt.forks import BranchProof, scan_forks
from mesh.crdt.token import encode_token
from mesh.runtime.node import Node


class BranchRow(Struct, frozen=True):
    """One branch of a fork. `branch` names it; `batch` is the hash of its first batch, `newest` its highest number here.

    `content` and `signature` are hexadecimal, as signed: two branches of one fork prove it to everybody.
    """

    branch: str
    batch: str
    newest: int
    author: str
    at: float
    content: str
    signature: str


class ForkRow(Struct, frozen=True):
    """Two or more batches of one writer with one number. `peer` is the node whose disk was copied, or whose key was stolen."""

    writer: str
    peer: str
    number: int
    branches: list[BranchRow]


class ForkList(Struct, frozen=True):
    """All forks that this peer knows of."""

    items: list[ForkRow]
    token: str


async def list_forks(node: Node, params: Nothing) -> ForkList:
    """Every writer of which two branches are known, and where they part."""
    with node.read() as reader:
        items = [
            ForkRow(fork.writer.hex(), peer_of(node, reader, fork.writer), fork.number, [*map(_row, fork.branches)])
            for fork in scan_forks(reader, node.identity.mesh)
        ]
        return ForkList(items, encode_token(position_of(reader)))


def _row(proof: BranchProof) -> BranchRow:
    content = proof.first.content
    return BranchRow(
        branch=proof.name.hex(),
        batch=proof.first.hash.hex(),
        newest=proof.newest,
        author=content.author,
        at=seconds_of(content.stamp),
        content=proof.batch.content.hex(),
        signature=proof.batch.signature.hex(),
    )
