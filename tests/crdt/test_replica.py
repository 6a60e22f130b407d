"""The in-memory replica keeps the contract of all replicas.

Invariant: what holds here holds for LMDB, because both run the same tests.
"""

from collections.abc import Iterator

from mesh.crdt.replica import MemoryReplica
from tests.crdt.replica_contract import ReplicaContract, WritableReplica


class TestMemoryReplica(ReplicaContract):
    def made(self) -> Iterator[WritableReplica]:
        yield MemoryReplica()
