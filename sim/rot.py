"""Bit rot: a disk hands back another value than was written to it, and nothing on the disk tells.

Invariant: what is spoilt can still be read, and its bucket of the fingerprint fits it, so that only other replicas, or the log,
know better.
"""

from itertools import pairwise
from random import Random

from mesh.crdt.cell import Cell, decode_cell, encode_cell
from mesh.crdt.fingerprint import bucket_of, shift, weigh
from mesh.crdt.replica import MemoryReplica, Table, Write
from mesh.ids import MeshId


def spoil_cell(replica: MemoryReplica, mesh: MeshId, rng: Random) -> bytes | None:
    """Give one cell the siblings of another. Returns its key; None where there are no two that differ."""
    cells = [(key, decode_cell(row)) for key, row in replica.scan(Table.CELLS)]
    rng.shuffle(cells)
    for (key, before), (_, after) in pairwise(cells):
        if before != after:
            replica.write(_spoilt(replica, mesh, key, (before, after)))
            return key
    return None


def _spoilt(replica: MemoryReplica, mesh: MeshId, key: bytes, cells: tuple[Cell, Cell]) -> list[Write]:
    before, after = (sum(weigh(mesh, key, encode_cell((sibling,))) for sibling in cell) for cell in cells)
    bucket = bytes([bucket_of(key)])
    moved = shift(replica.get(Table.BUCKETS, bucket), after - before)
    return [Write(Table.CELLS, key, encode_cell(cells[1])), Write(Table.BUCKETS, bucket, moved)]
