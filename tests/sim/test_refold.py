"""The simplest fold of a log agrees with the ledger's, and notices what is too much or too little.

Invariant: the logs are those of a simulated mesh whose nodes wrote concurrently.
"""

import pytest

from mesh.crdt.cell import decode_cell
from mesh.crdt.replica import MemoryReplica, Table, Write
from sim.disk import copy_of
from sim.node import MESH
from sim.refold import live_by_log, misfolded
from tests.sim.mesh import Listening, scenario


@pytest.fixture(scope="module")
def replica() -> MemoryReplica:
    cut = {"kind": "partition", "at_s": 6, "heal_after_s": 8}
    work = {"writes_per_s": 5.0, "keys": 3, "buries": 0.1, "clears": 0.2}
    listening = Listening(scenario(seconds=25, workload=work, faults=[cut]))
    listening.world.run(25)
    return listening.nodes[0].disk.replica


def test_it_agrees_with_the_ledger(replica: MemoryReplica) -> None:
    assert misfolded(replica, MESH) == []
    assert any(len(dots) > 1 for dots in live_by_log(replica, MESH).values())  # There were concurrent values.


def test_a_value_that_is_gone_without_a_reason_is_named(replica: MemoryReplica) -> None:
    spoilt = copy_of(replica)
    key, row = next(iter(replica.scan(Table.CELLS)))
    spoilt.write([Write(Table.CELLS, key, None)])
    said = misfolded(spoilt, MESH)
    assert len(said) == len(decode_cell(row))
    assert all("lacks" in line for line in said)


def test_a_value_without_a_batch_is_named(replica: MemoryReplica) -> None:
    spoilt = copy_of(replica)
    (key, _), (_, other) = list(replica.scan(Table.CELLS))[:2]
    spoilt.write([Write(Table.CELLS, key, other)])
    assert any("shows" in line for line in misfolded(spoilt, MESH))
