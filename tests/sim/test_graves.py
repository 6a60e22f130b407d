"""What was replaced and comes back is noticed, at the node where it was replaced and nowhere else.

Invariant: cells are spoilt by hand; the peers themselves keep their promise.
"""

import pytest

from mesh.crdt.batch import Change, Kind, OpenBatch, decode_batch, open_batch
from mesh.crdt.cell import Sibling, encode_cell
from mesh.crdt.keys import cell_key
from mesh.crdt.replica import MemoryReplica, Table, Write
from mesh.ids import RecordId
from sim.graves import Graves
from sim.node import MESH, Node
from tests.crdt.site import MESH as OTHER_MESH
from tests.crdt.site import Pen, put
from tests.sim.mesh import Listening, scenario

RECORD = RecordId("variable", "SIM/0")
OTHER = RecordId("variable", "SIM/1")


@pytest.fixture(scope="module")
def busy() -> Listening:
    """One record that everybody writes to, buries and clears."""
    work = {"writes_per_s": 4.0, "keys": 1, "buries": 0.1, "clears": 0.2}
    listening = Listening(scenario(seconds=25, workload=work))
    listening.world.run(25)
    return listening


def batches(node: Node) -> list[OpenBatch]:
    opened = [open_batch(decode_batch(row), MESH) for _, row in node.disk.replica.scan(Table.BATCHES)]
    return sorted(opened, key=lambda batch: batch.content.stamp)


def replaced_put(node: Node) -> Sibling:
    """A value of the record that a later batch names in `over`."""
    log = batches(node)
    over = {dot for opened in log for change in opened.content.changes for dot in change.over}
    changes = [(opened, index, change) for opened in log for index, change in enumerate(opened.content.changes)]
    for opened, index, change in changes:
        if change.field == "value" and change.kind is Kind.PUT and opened.dot(index) in over:
            return Sibling(opened.dot(index), opened.content.stamp, opened.content.author, change.kind, change.value)
    raise AssertionError("nothing was replaced")


def raise_from_the_dead(node: Node) -> MemoryReplica:
    replica = MemoryReplica()
    replica.write([Write(Table.CELLS, cell_key(RECORD, "value"), encode_cell((replaced_put(node),)))])
    return replica


def test_the_peers_themselves_bring_nothing_back(busy: Listening) -> None:
    graves = busy.mesh.metrics.journal.graves
    assert graves.broken == []
    assert all(graves.risen(node.index, node.disk.replica) == [] for node in busy.nodes)
    kinds = {change.kind for opened in batches(busy.nodes[0]) for change in opened.content.changes}
    assert kinds == set(Kind)  # Otherwise nothing was buried, restored or cleared, and nothing was shown.


def test_a_value_that_comes_back_is_named_with_its_place(busy: Listening) -> None:
    node = busy.nodes[1]
    [said] = busy.mesh.metrics.journal.graves.risen(node.index, raise_from_the_dead(node))
    assert said.startswith("variable/SIM/0 field 'value' shows ")


def test_it_is_noticed_as_soon_as_a_batch_of_that_cell_is_shown(busy: Listening) -> None:
    node, graves = busy.nodes[1], Graves(every=1)
    spoilt = raise_from_the_dead(node)
    graves.show(1, batches(node), spoilt, 7.0)
    assert graves.broken
    assert graves.broken[0].startswith("at 7.000000 s node 1: variable/SIM/0 field 'value' shows ")


def test_a_node_that_lost_its_disk_may_show_it_again_until_it_learns_better(busy: Listening) -> None:
    node, graves = busy.nodes[1], Graves(every=10**9)
    spoilt = raise_from_the_dead(node)
    graves.show(1, batches(node), spoilt, 7.0)
    assert graves.risen(0, spoilt) == []
    assert len(graves.risen(1, spoilt)) == 1
    graves.forget(1)
    assert graves.risen(1, spoilt) == []


def written(*changes: Change) -> list[OpenBatch]:
    """One writer's batches, one per change; what a change replaces is told by `over` of the batches before."""
    pen = Pen()
    return [open_batch(pen.next(change), OTHER_MESH) for change in changes]


def showing(batch: OpenBatch, record: RecordId) -> MemoryReplica:
    """A disk on which a cell of `record` holds the change of a batch."""
    content = batch.content
    sibling = Sibling(batch.dot(0), content.stamp, content.author, Kind.PUT, content.changes[0].value)
    replica = MemoryReplica()
    replica.write([Write(Table.CELLS, cell_key(record, "value"), encode_cell((sibling,)))])
    return replica


def test_a_change_of_another_cell_is_not_replaced_and_whoever_shows_a_batch_that_names_it_is_blamed() -> None:
    graves = Graves(every=1)
    [first] = written(put(RECORD, "value", 1))
    wrong = open_batch(Pen("b").next(put(OTHER, "value", 2, first.dot(0))), OTHER_MESH)
    graves.show(0, [first], MemoryReplica(), 1.0)
    assert graves.broken == []
    graves.show(0, [wrong], MemoryReplica(), 2.0)
    [said] = graves.broken
    assert said.startswith("variable/SIM/1 field 'value': ")
    assert said.endswith(f"replaces {first.dot(0)}, a change of another cell")
    assert graves.risen(0, showing(first, RECORD)) == []


def test_bit_rot_is_not_blamed_before_it_is_mended_and_a_value_that_comes_back_into_its_own_cell_is() -> None:
    first, *rest = written(
        put(RECORD, "value", 1), put(RECORD, "value", 2), put(OTHER, "value", 3), put(RECORD, "x", 4)
    )
    graves = Graves(every=1)
    graves.show(0, [first, *rest], showing(first, OTHER), 1.0)
    assert graves.broken == []
    assert len(graves.risen(0, showing(first, OTHER))) == 1  # In the end it has to be mended.
    graves = Graves(every=1)
    graves.show(0, [first, *rest], showing(first, RECORD), 1.0)
    assert graves.broken == [
        f"at 1.000000 s node 0: variable/SIM/0 field 'value' shows {first.dot(0)}, which was replaced there"
    ]
