"""Applying a batch gives what its changes give one by one.

Invariant: the short way for cells that are empty leaves the same rows and weights as the general way.
"""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mesh.crdt.apply import apply_batch, change_cell, sibling_of
from mesh.crdt.batch import Change, Kind, OpenBatch, encode_value, open_batch
from mesh.crdt.cell import decode_cell, encode_cell
from mesh.crdt.fates import Applied
from mesh.crdt.fingerprint import weigh
from mesh.crdt.keys import cell_key
from mesh.ids import Dot, RecordId
from tests.crdt.site import MESH, Pen, put
from tests.strategies import json_values

RECORD = RecordId("unit", "BTF/DIPOLE/1")
SEEN = open_batch(Pen("b").next(put(RECORD, "a", "seen")), MESH)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    kind = draw(st.sampled_from(Kind))
    field = draw(st.text("ab", min_size=1, max_size=3)) if kind in (Kind.PUT, Kind.CLEAR) else ""
    value = encode_value(draw(json_values)) if kind is Kind.PUT else b""
    return Change(RECORD, field, kind, value, draw(st.sampled_from(((), (SEEN.dot(0),)))))


batches = st.lists(changes(), min_size=1, max_size=6, unique_by=lambda change: change.field).map(
    lambda changes: open_batch(Pen("a").next(*changes), MESH)
)


def weight(key: bytes, row: bytes | None) -> int:
    return sum(weigh(MESH, key, encode_cell((sibling,))) for sibling in decode_cell(row))


@given(batches, st.sets(st.text("ab", max_size=3)))
def test_a_batch_leaves_the_cells_that_its_changes_leave_one_by_one(opened: OpenBatch, there: set[str]) -> None:
    row = encode_cell((sibling_of(SEEN, 0),))
    keys = [cell_key(change.record, change.field) for change in opened.content.changes]
    rows = {key: row for key in keys if key.decode().split("\0")[2] in there}
    outcome = apply_batch(MESH, opened, Applied(keys, rows))
    for index, (key, change) in enumerate(zip(keys, opened.content.changes, strict=True)):
        after = change_cell(decode_cell(rows.get(key)), change, sibling_of(opened, index))
        assert outcome.cells[key] == (encode_cell(after) if after else None)
    gained = [weight(key, outcome.cells[key]) - weight(key, rows.get(key)) for key in keys]
    assert (list(outcome.cells), outcome.weights) == (keys, gained)


@given(st.binary(min_size=1, max_size=20), st.binary(min_size=1, max_size=20), st.integers(0, 255))
def test_what_a_sibling_adds_tells_cells_and_dots_apart(one: bytes, other: bytes, index: int) -> None:
    made = sibling_of(SEEN, 0)
    moved = replace(made, dot=Dot(made.dot.writer, made.dot.number, index, made.dot.mark))
    rows = [encode_cell((made,)), encode_cell((moved,))]
    weights = {(key, row): weigh(MESH, key, row) for key in (one, other) for row in rows}
    assert len(set(weights.values())) == len(weights)


def written(pen: Pen, value: int, *over: Dot) -> OpenBatch:
    return open_batch(pen.next(put(RECORD, "current", value, *over)), MESH)


def test_of_an_unforked_writer_every_earlier_change_goes() -> None:
    one, other = Pen("x"), Pen("b")
    first, foreign, second = written(one, 1), written(other, 2), written(one, 3)
    before = (sibling_of(first, 0), sibling_of(foreign, 0))
    made = sibling_of(second, 0)
    assert change_cell(before, second.content.changes[0], made) == (sibling_of(foreign, 0), made)
    assert change_cell(before, put(RECORD, "current", 3, foreign.dot(0)), made) == (made,)


def test_of_a_forked_writer_only_what_lies_on_the_same_chain() -> None:
    one = Pen()
    common = written(one, 0)
    two = one.copy()
    mine, yours = written(one, 1), written(two, 2)
    before = (sibling_of(common, 0), sibling_of(yours, 0))
    made = sibling_of(mine, 0)
    left = change_cell(before, mine.content.changes[0], made, lambda dot: dot == common.dot(0))
    assert {sibling.dot for sibling in left} == {mine.dot(0), yours.dot(0)}
    named = change_cell(before, put(RECORD, "current", 1, yours.dot(0)), made, lambda dot: dot == common.dot(0))
    assert named == (made,)


def test_a_bury_replaces_nothing_beside_its_writers_own_and_a_restore_stays_nowhere() -> None:
    one, other = Pen("x"), Pen("b")
    bury = open_batch(one.next(Change(RECORD, "", Kind.BURY, b"", ())), MESH)
    again = open_batch(other.next(Change(RECORD, "", Kind.BURY, b"", (bury.dot(0),))), MESH)
    restore = open_batch(one.next(Change(RECORD, "", Kind.RESTORE, b"", (bury.dot(0), again.dot(0)))), MESH)
    cell = change_cell((sibling_of(bury, 0),), again.content.changes[0], sibling_of(again, 0))
    assert {sibling.dot for sibling in cell} == {bury.dot(0), again.dot(0)}
    assert change_cell(cell, restore.content.changes[0], sibling_of(restore, 0)) == ()
