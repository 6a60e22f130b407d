"""A write that its own peer would not show is refused, whole."""

import pytest

from mesh.crdt.batch import SEMANTICS, Kind, encode_batch
from mesh.crdt.cell import Sibling, encode_cell
from mesh.crdt.compose import Put
from mesh.crdt.effects import Composed, NotComposed
from mesh.crdt.keys import ERA, batch_key, cell_key
from mesh.crdt.lines import line_write, read_line
from mesh.crdt.replica import Table, Write
from mesh.errors import Refused
from mesh.ids import Dot, RecordId, WriterId
from tests.crdt.site import Pen, Site, copy_of, put

RECORD = RecordId("unit", "BTF/DIPOLE/1")


def downgraded() -> Site:
    """A node whose newest batch was written by a later version of its package."""
    ada = Site("a")
    ada.write(Put(RECORD, "current", 1))
    pen = Pen("a", ada.disk.get(Table.META, ERA) or b"")
    line = read_line(ada.disk, pen.writer)
    assert line is not None
    pen.head, pen.content = line.have, pen.draft(stamp=line.stamp)
    newer = pen.next(put(RECORD, "current", 2), semantics=SEMANTICS + 1)
    ada.disk.write([Write(Table.BATCHES, batch_key(pen.writer, 2), encode_batch(newer))])
    line = type(line)(pen.head, line.applied, line.stamp, line.key)
    ada.disk.write([line_write(line)])
    ada.open()
    ada.settle()
    return ada


def test_behind_a_held_batch_of_its_own_a_node_writes_nothing() -> None:
    ada = downgraded()
    before = copy_of(ada.disk)
    with pytest.raises(Refused, match="newer than ours") as caught:
        ada.compose(Put(RECORD, "voltage", 1))
    assert "mesh held" in caught.value.todo
    assert ada.waiting == []
    assert [list(ada.disk.scan(table)) for table in Table] == [list(before.scan(table)) for table in Table]
    ada.merge(Pen().next(put(RECORD, "phase", 3)))
    assert ada.fields(RECORD) == {"current": 1, "phase": 3}


def test_a_write_that_would_be_held_is_refused_and_leaves_no_trace() -> None:
    """As on a damaged disk: a cell shows a change of a writer whom nobody here ever heard of."""
    ada = Site("a")
    ada.write(Put(RECORD, "voltage", 1))
    ghost = Sibling(Dot(WriterId(b"nobody at all..."), 1, 0, bytes(8)), 1, "eve", Kind.PUT, b"\x01")
    ada.disk.write([Write(Table.CELLS, cell_key(RECORD, "current"), encode_cell((ghost,)))])
    before = copy_of(ada.disk)
    request = ada.compose(Put(RECORD, "current", 2))
    (answer,) = [said for said in ada.said if isinstance(said, NotComposed)]
    assert (answer.request, "would not show the write" in str(answer.error)) == (request, True)
    ada.settle()
    assert [list(ada.disk.scan(table)) for table in Table] == [list(before.scan(table)) for table in Table]
    ada.write(Put(RECORD, "voltage", 3))
    assert [said.request for said in ada.said if isinstance(said, Composed)] == [1, 3]
