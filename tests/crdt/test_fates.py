"""Applied, void or held: each reason, and that a verdict is the same wherever the same batches are.

Invariant: a void batch counts and does nothing; a held one is kept, passed on and retried.
"""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.crdt.batch import SEMANTICS, Batch, Change, Kind, encode_content, encode_value
from mesh.crdt.compose import Put
from mesh.crdt.effects import Emit, Stocked, Visible
from mesh.crdt.fates import value_fault
from mesh.crdt.keys import cell_key
from mesh.crdt.replica import Table, Write
from mesh.ids import Dot, Head, RecordId
from tests.crdt.site import Pen, Site, put
from tests.strategies import json_values

RECORD, OTHER = RecordId("unit", "BTF/DIPOLE/1"), RecordId("unit", "BTF/DIPOLE/2")
LONG = RecordId("unit", "k" * 241)


def change(record: RecordId, field: str, kind: Kind, value: bytes = b"", *over: Dot) -> Change:
    return Change(record, field, kind, value, over)


def dot(pen: Pen, **given: object) -> Dot:
    return msgspec.structs.replace(pen.dot(), **given)


VOID = {
    "its stamp is not above": (put(RECORD, "current", 2),),
    "twice": (put(RECORD, "current", 2), put(RECORD, "current", 3)),
    "a key has": (put(LONG, "current", 2),),
    "a collection has": (put(RecordId("", "key"), "current", 2),),
    "a field has": (put(RECORD, "f" * 231, 2),),
    "no NUL": (put(RECORD, "a\0b", 2),),
    "speak of a record": (change(RECORD, "current", Kind.BURY),),
    "of a field": (change(RECORD, "", Kind.PUT, encode_value(1)),),
    "only a put has a value": (change(RECORD, "current", Kind.CLEAR, encode_value(1)),),
    "not a msgpack value": (change(RECORD, "current", Kind.PUT, b"\xc1"),),
}


@pytest.mark.parametrize("reason", VOID)
def test_a_void_batch_counts_has_no_effect_and_says_why(reason: str) -> None:
    ada, pen = Site("a"), Pen()
    ada.merge(pen.next(put(RECORD, "current", 1)))
    before = ada.fingerprint()
    stamp = {"stamp": 1} if reason.startswith("its stamp") else {}
    said = ada.merge(pen.next(*VOID[reason], **stamp))
    assert reason in ada.fate(pen.head)
    assert ada.fate(pen.head).startswith("void: ")
    assert ada.ledger.durable.lines[pen.writer].applied == pen.head
    assert ada.fingerprint() == before
    assert [effect.name for effect in said if isinstance(effect, Emit)] == ["ledger.void"]
    assert [type(effect) for effect in said] == [Emit, Stocked]  # Passed on, and not shown.


@pytest.mark.parametrize(("stamp", "is_void"), [(1, True), (2, True), (3, False)])
def test_a_stamp_is_above_its_predecessors(stamp: int, is_void: bool) -> None:
    ada, pen = Site("a"), Pen()
    ada.merge(pen.next(stamp=2), pen.next(stamp=stamp))
    assert ada.fate(pen.head).startswith("void") == is_void


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"number": 2}, "comes after it"),
        ({"number": 9}, "comes after it"),
        ({"index": 1}, "does not exist"),
        ({"index": -1}, "does not exist"),
    ],
)
def test_a_change_may_not_replace_what_does_not_come_before_it(given: dict[str, int], reason: str) -> None:
    ada, pen = Site("a"), Pen()
    ada.merge(pen.next(put(RECORD, "current", 1)))
    ada.merge(pen.next(put(RECORD, "voltage", 2, dot(pen, **given))))
    assert reason in ada.fate(pen.head)


@pytest.mark.parametrize("target", [(RECORD, "voltage"), (OTHER, "current")])
def test_a_change_may_not_replace_one_of_another_cell(target: tuple[RecordId, str]) -> None:
    ada, one, two = Site("a"), Pen("x"), Pen("c")
    ada.merge(one.next(put(RECORD, "current", 1)), two.next(put(*target, 2, one.dot())))
    assert "another cell" in ada.fate(two.head)
    assert ada.fields(RECORD) == {"current": 1}


def test_a_bury_may_name_any_field_of_its_record_and_no_other_record() -> None:
    ada, one, two = Site("a"), Pen("x"), Pen("c")
    ada.merge(one.next(put(RECORD, "current", 1)))
    ada.merge(two.next(change(RECORD, "", Kind.BURY, b"", one.dot())))
    assert ada.show(RECORD).buried
    ada.merge(two.next(change(OTHER, "", Kind.BURY, b"", one.dot())))
    assert "another cell" in ada.fate(two.head)


def test_a_change_of_a_void_batch_may_be_named_and_does_nothing() -> None:
    ada, one, two = Site("a"), Pen("x"), Pen("c")
    ada.merge(one.next(put(RECORD, "current", 1), put(RECORD, "current", 2)))
    ada.merge(two.next(put(RECORD, "current", 3, one.dot(1))))
    assert ada.fate(two.head) == ""
    assert ada.fields(RECORD) == {"current": 3}


def test_a_void_batch_satisfies_those_that_wait_for_it() -> None:
    ada, one, two = Site("a"), Pen("x"), Pen("c")
    void = one.next(put(LONG, "current", 1))
    ada.merge(two.next(put(RECORD, "current", 1), after=(one.head,)))
    assert ada.fields(RECORD) == {}
    ada.merge(void)
    assert ada.fields(RECORD) == {"current": 1}


@pytest.mark.parametrize("by", ["after", "over"])
def test_a_batch_waits_for_what_it_names_and_is_kept_and_passed_on_meanwhile(by: str) -> None:
    ada, fresh, one, two = Site("a"), Site("fresh"), Pen("x"), Pen("c")
    first = one.next(put(RECORD, "current", 1))
    over, after = ((one.dot(),), ()) if by == "over" else ((), (one.head,))
    second = two.next(put(RECORD, "current", 2, *over), after=after)
    third = two.next(put(RECORD, "voltage", 3))
    said = ada.merge(second, third)
    assert Visible not in map(type, said)
    assert f"waits for batch 1 of writer {one.writer.hex()}" in ada.fate(Head(two.writer, 1, two.head.hash))
    assert (ada.heads()[two.writer], ada.ledger.durable.lines[two.writer].applied.number) == (2, 0)
    assert ada.fields(RECORD) == {}
    fresh.pull(ada)
    assert fresh.heads() == ada.heads()
    (visible,) = (effect for effect in ada.merge(first) if isinstance(effect, Visible))
    assert [opened.content.stamp for opened in visible.batches] == [2, 2, 3]
    assert ada.fields(RECORD)["voltage"] == 3
    assert list(ada.disk.scan(Table.FATES)) == []


def test_a_batch_that_names_another_branch_of_a_fork_is_held() -> None:
    ada, one, two = Site("a"), Pen("x"), Pen("c")
    ada.merge(one.next(put(RECORD, "current", 1)))
    ada.merge(two.next(put(RECORD, "current", 2, dot(one, mark=b"another!"))))
    assert ada.fate(two.head) == f"held: waits for batch 1 of writer {one.writer.hex()}"
    assert ada.fields(RECORD) == {"current": 1}


def newer(pen: Pen, *extra: object) -> Batch:
    """The next batch of a pen, under rules that this code does not know."""
    pen.next(semantics=SEMANTICS + 1)
    known = msgspec.structs.astuple(pen.content)[:12]
    return pen.sign_bytes(msgspec.msgpack.encode((*known, *extra)))


def test_newer_rules_hold_up_their_writer_and_nobody_else() -> None:
    ada, fresh, one, two = Site("a"), Site("fresh"), Pen("x"), Pen("c")
    ada.merge(one.next(put(RECORD, "current", 1)))
    head = Head(one.writer, 2, one.head.hash)
    ada.merge(newer(one, {"a new": "shape"}, 1, None))
    assert "newer than ours" in ada.fate(head)
    ada.merge(two.next(put(RECORD, "voltage", 2)))
    assert ada.fields(RECORD) == {"current": 1, "voltage": 2}
    assert ada.heads()[one.writer] == 2
    fresh.pull(ada)
    assert fresh.tables() == ada.tables()
    assert fresh.log() == ada.log()  # Verbatim, what is not understood included.


def test_what_follows_on_newer_rules_stays_held_too() -> None:
    ada, pen = Site("a"), Pen()
    ada.merge(pen.next(semantics=SEMANTICS + 1), pen.next(put(RECORD, "current", 1)))
    assert ada.heads()[pen.writer] == 2
    assert ada.fields(RECORD) == {}
    assert ada.ledger.durable.token() == {}


def test_a_batch_that_cannot_be_applied_is_held_and_stops_nobody() -> None:
    ada, one, two = Site("a"), Pen("x"), Pen("c")
    ada.merge(one.next(put(RECORD, "current", 1)))
    ada.disk.write([Write(Table.CELLS, cell_key(OTHER, "broken"), b"no cell")])  # As a bad disk would have it.
    ada.merge(two.next(put(OTHER, "broken", 2)), one.next(put(RECORD, "voltage", 3)))
    assert ada.fate(two.head).startswith("held: applying it failed: ")
    assert ada.fields(RECORD) == {"current": 1, "voltage": 3}
    ada.open()
    ada.settle()
    ada.write(Put(RECORD, "current", 4))
    assert ada.fields(RECORD)["current"] == 4


def test_a_batch_that_waits_for_its_own_future_is_void() -> None:
    ada, pen = Site("a"), Pen()
    ada.merge(pen.next(put(RECORD, "current", 1), after=(Head(pen.writer, 9, bytes(32)),)))
    assert ada.fate(pen.head) == "void: it comes after itself"


@given(json_values)
def test_every_json_value_is_a_value(value: object) -> None:
    assert value_fault(encode_value(value)) is None


@given(st.binary(max_size=12) | st.integers(0, 2**64 - 1).map(encode_value) | st.floats().map(encode_value))
@settings(max_examples=300)
def test_a_scalar_has_no_fault_that_json_would_find(raw: bytes) -> None:
    with suppress(msgspec.MsgspecError, ValueError, TypeError):
        value = msgspec.msgpack.decode(raw)
        if not isinstance(value, msgspec.msgpack.Ext):
            shown = msgspec.json.encode(value)
            assert shown
            assert value_fault(raw) is None
            return
    assert value_fault(raw) is not None


@given(st.binary(max_size=40))
@settings(max_examples=300)
def test_any_bytes_are_a_value_or_have_a_fault(raw: bytes) -> None:
    fault = value_fault(raw)
    if fault is None:
        msgspec.msgpack.decode(raw)


@pytest.mark.parametrize(
    "raw", [b"", b"\xc1", b"\x91" * 5_000, b"\xa2\xff\xff", b"\xd4\x05\x00", b"\xdd\xff\xff\xff\xff"]
)
def test_what_is_no_value_has_a_fault(raw: bytes) -> None:
    assert "not a msgpack value" in value_fault(raw)


def test_content_bytes_are_what_was_signed() -> None:
    pen = Pen()
    batch = pen.next(put(RECORD, "current", 1))
    assert encode_content(pen.content) == batch.content
