"""Records: what a person asks for becomes the smallest batch, or an answer that names the rule.

Invariant: each request is answered exactly once.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.config import GossipConfig
from mesh.crdt.compose import Clear, Put
from mesh.crdt.effects import Composed, LedgerEffect, NotComposed, Store
from mesh.crdt.events import Merge
from mesh.crdt.together import PARTS
from mesh.crdt.versions import Expect, field_version, record_version
from mesh.errors import MeshError, NotFound, Refused, Unmet, UsageError
from mesh.events import Tick
from mesh.ids import RecordId
from mesh.model.fields import unflatten
from mesh.records import (
    BURIED_DOTS_MAX,
    QUEUE_MAX,
    BuryRecord,
    Opened,
    Operation,
    PatchRecord,
    PutRecord,
    Records,
    RestoreRecord,
    SettleField,
    Submit,
    TakeSibling,
    Together,
)
from tests.crdt.site import NOON, STRANGER, Pen, Site, exchange, put
from tests.strategies import json_values

RECORD = RecordId("unit", "BTF/DIPOLE/1")
NOTE = RecordId("note", "free of any shape")
CONFIG = GossipConfig()


class Door:
    """Records before a ledger whose disk waits until it is told to store."""

    def __init__(self, alone: bool = True) -> None:
        self.site = Site("a")
        self.records = Records(self.site.ledger, CONFIG, alone, NOON)
        self.requests = 0
        self.answers: dict[int, Composed | NotComposed] = {}

    def keep(self, said: list[LedgerEffect]) -> None:
        for effect in said:
            if isinstance(effect, Composed | NotComposed):
                assert effect.request not in self.answers
                self.answers[effect.request] = effect
        self.site.waiting += [effect for effect in said if isinstance(effect, Store)]
        self.site.ledger.check()

    def submit(self, *operations: Operation, now: float = NOON) -> int:
        self.requests += 1
        self.keep(self.records.handle(Submit(self.requests, operations, "ada"), now))
        return self.requests

    def ask(self, *operations: Operation) -> Composed | NotComposed:
        request = self.submit(*operations)
        self.keep(self.site.settle())
        return self.answers[request]

    def done(self, *operations: Operation) -> Composed:
        answer = self.ask(*operations)
        assert isinstance(answer, Composed), answer
        return answer

    def refused(self, *operations: Operation) -> UsageError:
        before = self.site.log()
        answer = self.ask(*operations)
        assert isinstance(answer, NotComposed), answer
        assert isinstance(answer.error, UsageError)
        assert self.site.log() == before
        return answer.error

    def show(self, record: RecordId = NOTE) -> dict[str, object]:
        return unflatten(self.site.fields(record))


@contextmanager
def in_conflict(door: Door) -> Iterator[Site]:
    other = Site("b")
    door.done(PutRecord(NOTE, {"a": 1, "b": 1}))
    other.write(Put(NOTE, "a", 2))
    exchange((door.site, other))
    assert door.site.show(NOTE).conflicts() == ["a"]
    yield other
    assert door.site.show(NOTE).conflicts() == []


names = st.text("abc.", min_size=1, max_size=3)
leaves = (
    st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False)
    | st.text(max_size=3)
    | st.lists(json_values, max_size=2)
)
values = st.dictionaries(names, leaves | st.dictionaries(names, leaves, max_size=3), min_size=1, max_size=4)


@given(values, values)
@settings(max_examples=60, deadline=None)
def test_a_put_makes_the_record_exactly_what_was_put(first: dict[str, object], second: dict[str, object]) -> None:
    door = Door()
    for value in (first, second):
        door.done(PutRecord(NOTE, value))
        assert door.show() == value
        assert door.ask(PutRecord(NOTE, value)) == Composed(door.requests, None)


def test_a_put_clears_the_fields_that_it_does_not_name() -> None:
    door = Door()
    door.done(PutRecord(NOTE, {"a": 1, "labels": {"zone": "x", "kind": "y"}}))
    door.done(PutRecord(NOTE, {"labels": {"zone": "x"}}))
    assert door.show() == {"labels": {"zone": "x"}}


def test_a_put_settles_every_conflict_of_the_record() -> None:
    door = Door()
    with in_conflict(door):
        door.done(PutRecord(NOTE, {"b": 1}))
        assert door.show() == {"b": 1}


def test_writing_the_shown_value_settles_a_conflict() -> None:
    door = Door()
    with in_conflict(door):
        door.done(PutRecord(NOTE, door.show()))


def test_a_patch_merges_and_null_clears() -> None:
    door = Door()
    door.done(PutRecord(NOTE, {"a": 1, "labels": {"zone": "x", "kind": "y"}}))
    door.done(PatchRecord(NOTE, {"a": None, "labels": {"kind": "z"}}))
    assert door.show() == {"labels": {"zone": "x", "kind": "z"}}


def test_an_operation_that_changes_nothing_makes_no_batch() -> None:
    door = Door()
    assert door.done(PutRecord(NOTE, {"a": 1})).head.number == 1
    for operation in (PutRecord(NOTE, {"a": 1}), PatchRecord(NOTE, {"a": 1, "b": None}), RestoreRecord(NOTE)):
        assert door.done(operation).head is None
    door.done(BuryRecord(NOTE))
    assert door.done(BuryRecord(NOTE)).head is None
    assert len(door.site.log()) == 2


def test_a_write_that_agrees_with_one_under_way_shares_its_fate() -> None:
    door = Door()
    first, second = (door.submit(PutRecord(NOTE, {"a": 1})) for _ in range(2))
    assert door.answers == {}
    door.keep(door.site.fail())
    assert [type(door.answers[request]) for request in (first, second)] == [NotComposed, NotComposed]


def test_one_submit_is_one_batch() -> None:
    door = Door()
    other = RecordId("note", "another")
    door.done(PutRecord(NOTE, {"a": 1}), PutRecord(other, {"b": 2}))
    assert len(door.site.log()) == 1
    assert (door.show(), door.show(other)) == ({"a": 1}, {"b": 2})


def test_one_bad_operation_refuses_all() -> None:
    door = Door()
    door.refused(PutRecord(NOTE, {"a": 1}), PutRecord(NOTE, {}))
    door.refused(PutRecord(NOTE, {"a": 1}), PutRecord(NOTE, {"a": 2}))
    assert door.show() == {}


def test_a_buried_record_refuses_changes_and_names_restore() -> None:
    door = Door()
    door.done(PutRecord(NOTE, {"a": 1}))
    door.done(BuryRecord(NOTE))
    for operation in (PutRecord(NOTE, {"a": 2}), PatchRecord(NOTE, {"a": 2})):
        error = door.refused(operation)
        assert isinstance(error, Refused)
        assert "restore" in error.todo
        assert "buried by ada" in error.message
    door.done(RestoreRecord(NOTE))
    assert door.done(PutRecord(NOTE, {"a": 2})).head is not None


@pytest.mark.parametrize("operation", [PatchRecord(NOTE, {"a": 1}), BuryRecord(NOTE), RestoreRecord(NOTE)])
def test_what_is_not_here_is_not_found(operation: Operation) -> None:
    assert isinstance(Door().refused(operation), NotFound)


@pytest.mark.parametrize(
    ("operation", "field", "rule"),
    [
        (PutRecord(RecordId("Unit", "key"), {"a": 1}), "collection", "a lower-case letter"),
        (PutRecord(RecordId("unit", "/key"), {"a": 1}), "key", "single slashes"),
        (PutRecord(RecordId("unit", ""), {"a": 1}), "key", ""),
        (PutRecord(RecordId("unit", "k" * 201), {"a": 1}), "key", "1 to 200 bytes"),
        (PutRecord(NOTE, {"": 1}), "field", "1 to 200 bytes"),
        (PutRecord(NOTE, {"a\n": 1}), "field", "printable"),
        (PutRecord(NOTE, {}), "", "not empty"),
        (PutRecord(NOTE, {"a": None, "b": {"c": None}}), "", "not empty"),
        (PutRecord(NOTE, {"big": 2**64}), "big", "64 bits"),
        (PutRecord(RECORD, {"host": 5}), "host", "Expected `str"),
        (PutRecord(RECORD, {"attributes": {"x": {"type": "no such"}}}), "attributes.x.type", "one of"),
        (PutRecord(RECORD, {"attributes": {"x": {"min": 2, "max": 1}}}), "attributes.x.min", "min is not above max"),
    ],
)
def test_what_is_refused_is_named_by_field_and_rule(operation: Operation, field: str, rule: str) -> None:
    error = Door().refused(operation)
    assert error.field == field
    assert rule in error.rule


def test_a_large_number_in_a_known_field_is_refused_too() -> None:
    door = Door()
    door.done(PutRecord(NOTE, {"a": 1, "deep": {"b": [1]}}))
    for value in ({"a": 2**64}, {"deep": {"b": [2**70]}}):
        door.refused(PutRecord(NOTE, value))
        door.refused(PatchRecord(NOTE, value))


def starting() -> Door:
    return Door(alone=False)


def test_a_starting_node_lets_requests_wait_until_a_peer_spoke() -> None:
    door = starting()
    request = door.submit(PutRecord(NOTE, {"a": 1}))
    assert door.answers == {}
    assert door.records.deadline() == NOON + CONFIG.opening_s
    door.keep(door.records.handle(Opened(), NOON + 0.5))
    door.keep(door.site.settle())
    assert isinstance(door.answers[request], Composed)
    assert door.records.deadline() == float("inf")


def test_a_starting_node_waits_at_most_its_opening_time() -> None:
    door = starting()
    door.submit(PutRecord(NOTE, {"a": 1}))
    assert door.records.handle(Tick(), NOON + CONFIG.opening_s - 0.01) == []
    door.keep(door.records.handle(Tick(), NOON + CONFIG.opening_s))
    assert len(door.site.waiting) == 1
    assert door.records.handle(Tick(), NOON + 99) == []


def test_a_node_that_knows_nobody_waits_for_nobody() -> None:
    door = Door(alone=True)
    door.submit(PutRecord(NOTE, {"a": 1}))
    assert len(door.site.waiting) == 1


def test_waiting_requests_are_bounded_and_each_is_answered() -> None:
    door = starting()
    for number in range(QUEUE_MAX + 2):
        door.submit(PutRecord(NOTE, {"a": number % 2}))
    assert len(door.answers) == 2
    assert all(isinstance(answer.error, Refused) for answer in door.answers.values())
    door.keep(door.records.handle(Opened(), NOON + 1))
    door.keep(door.site.settle())
    assert len(door.answers) == QUEUE_MAX + 2


def test_a_request_sees_what_came_from_peers_meanwhile() -> None:
    door, other = starting(), Site("b")
    other.write(Put(NOTE, "a", 1))
    request = door.submit(PutRecord(NOTE, {"a": 1}))
    door.site.merge(*other.log())
    door.keep(door.records.handle(Opened(), NOON + 1))
    assert door.answers[request] == Composed(request, None)
    assert door.site.tell(Merge(STRANGER, ())) == []


def _disagreeing() -> Door:
    """A door behind which bob's 2 (shown) and ada's 1 are in conflict."""
    door, bob = Door(), Site("b")
    door.done(PutRecord(NOTE, {"a": 1}))
    bob.write(Put(NOTE, "a", 2), now=NOON + 1)
    door.site.pull(bob)
    assert door.site.show(NOTE).conflicts() == ["a"]
    return door


@pytest.mark.parametrize("index", [0, 1])
def test_a_conflict_is_settled_with_the_value_of_either_side(index: int) -> None:
    door = _disagreeing()
    sibling = door.site.show(NOTE).cells["a"][index]
    door.done(TakeSibling(NOTE, "a", str(sibling.dot)))
    assert (door.show(), door.site.show(NOTE).conflicts()) == ({"a": index + 1}, [])
    error = door.refused(TakeSibling(NOTE, "a", str(sibling.dot)))
    assert (type(error), error.field) == (Refused, "field")


def test_a_conflict_is_settled_with_a_value_of_its_own_or_with_none() -> None:
    for value, shown in ((2, {"a": 2}), ("x", {"a": "x"}), (None, {})):
        door = _disagreeing()
        door.done(SettleField(NOTE, "a", value))
        assert (door.show(), door.site.show(NOTE).conflicts()) == (shown, [])


def test_a_conflict_of_which_nothing_is_shown_is_settled_too() -> None:
    door = _disagreeing()
    door.done(SettleField(NOTE, "a", 3))
    bob = Site("b")
    bob.pull(door.site)
    bob.write(Clear(NOTE, "a"), now=NOON + 9)
    door.done(PutRecord(NOTE, {"a": 4}))
    door.site.pull(bob)
    assert not door.site.show(NOTE).exists
    door.done(SettleField(NOTE, "a", 5))
    assert door.show() == {"a": 5}


def test_a_change_that_is_no_side_of_the_conflict_is_refused() -> None:
    assert _disagreeing().refused(TakeSibling(NOTE, "a", "00.1.0.00")).field == "take"
    assert isinstance(Door().refused(SettleField(NOTE, "a", 1)), Refused)


def _version(door: Door) -> str:
    return record_version(door.site.show(NOTE))


def test_a_guard_that_does_not_hold_refuses_the_whole_batch() -> None:
    door = Door()
    door.done(PutRecord(NOTE, {"a": 1}, Expect(absent=True)))
    seen = _version(door)
    door.done(PatchRecord(NOTE, {"a": 2}, Expect(versions=(seen,))))
    other = PutRecord(RecordId("note", "other"), {"a": 1})
    stale = Expect(versions=(seen,))
    for operation in (
        PutRecord(NOTE, {"a": 3}, stale),
        PatchRecord(NOTE, {"a": 3}, stale),
        BuryRecord(NOTE, stale),
        RestoreRecord(NOTE, stale),
    ):
        error = door.refused(other, operation)
        assert (type(error), "last written by ada" in error.message) == (Unmet, True)
    assert door.site.show(other.record) is None


def test_a_guard_sees_writes_that_are_not_stored_yet() -> None:
    door = Door()
    first, second = (door.submit(PutRecord(NOTE, {"a": n}, Expect(absent=True))) for n in range(2))
    door.keep(door.site.settle())
    assert (type(door.answers[first]), type(door.answers[second])) == (Composed, NotComposed)


def test_a_third_value_is_not_settled_unseen() -> None:
    door = _disagreeing()
    cell = door.site.show(NOTE).cells["a"]
    seen = Expect(fields={"a": tuple(str(sibling.dot) for sibling in cell)})
    cid = Site("c")
    cid.write(Put(NOTE, "a", 3), now=NOON - 9)
    door.site.pull(cid)
    for operation in (TakeSibling(NOTE, "a", str(cell[0].dot), seen), SettleField(NOTE, "a", 1, seen)):
        assert len(door.refused(operation).details["there"]) == 3
    door.done(SettleField(NOTE, "a", 1, Expect(fields={"a": (field_version(door.site.show(NOTE).cells["a"]),)})))
    assert door.site.show(NOTE).conflicts() == []


def test_a_withheld_value_is_written_over_and_not_merged_into() -> None:
    door, bob = Door(), Site("b")
    door.done(PutRecord(RecordId("policy", "p"), {"rule": "ask"}), PutRecord(NOTE, {"m": {"x": {"min": 1}}}))
    bob.write(Put(NOTE, "m.x", {"min": 2}), now=NOON + 1)
    door.site.pull(bob)
    assert door.show() == {}
    assert door.refused(PatchRecord(NOTE, {"m": {"x": {"max": 3}}})).field == "m.x"
    door.done(PatchRecord(NOTE, {"b": 1}))
    assert (door.show(), door.site.show(NOTE).conflicts()) == ({"b": 1}, ["m.x"])
    door.done(SettleField(NOTE, "m.x", {"min": 2}))
    assert door.show() == {"b": 1, "m": {"x": {"min": 2}}}


def test_a_record_with_too_many_live_changes_is_buried_once_its_conflicts_are_settled() -> None:
    door, pens = Door(), [Pen("x", bytes([n]) * 16) for n in range(BURIED_DOTS_MAX // 100)]
    for pen in pens:
        door.site.merge(pen.next(*(put(NOTE, f"f{n}", pen.era.hex()) for n in range(101))))
    error = door.refused(BuryRecord(NOTE))
    assert (error.rule, "--where" in error.todo) == ("a bury names all that it hides", True)
    cells = door.site.show(NOTE).cells
    door.done(
        *(SettleField(NOTE, f"f{n}", 1, Expect(fields={f"f{n}": (field_version(cells[f"f{n}"]),)})) for n in range(80))
    )
    door.done(BuryRecord(NOTE))
    assert door.site.show(NOTE).buried


# ---- writes that come together

KEYS = [RecordId("note", key) for key in "xyz"]
POLICY = RecordId("policy", "p")
operations = st.one_of(
    st.builds(PutRecord, st.sampled_from(KEYS), st.fixed_dictionaries({"a": st.integers(0, 1)})),
    st.builds(PatchRecord, st.sampled_from(KEYS), st.fixed_dictionaries({"b": st.integers(0, 1) | st.just(2**70)})),
    st.builds(PutRecord, st.sampled_from(KEYS), st.just({"a": 5}), st.just(Expect(absent=True))),
    st.builds(BuryRecord, st.sampled_from(KEYS)),
    st.builds(RestoreRecord, st.sampled_from(KEYS)),
    st.just(PutRecord(POLICY, {"rule": "ask"})),
)
asked = st.tuples(
    st.lists(operations, min_size=1, max_size=2).map(tuple),
    st.sampled_from(["ada", "bob"]),
    st.sampled_from([{}, {"reason": "r"}, {"intent": "i"}]),
)


def _broken(error: MeshError) -> tuple[str, str, str]:
    assert isinstance(error, UsageError)
    return type(error).__name__, error.field, error.rule


def answered(door: Door) -> dict[int, tuple[str, ...]]:
    """What each request heard, but for the names of batches."""
    return {
        request: ("refused", *_broken(answer.error))
        if isinstance(answer, NotComposed)
        else ("done", str(answer.head is None))
        for request, answer in door.answers.items()
    }


def said_of_changes(door: Door) -> dict[tuple[RecordId, str], list[tuple[str, str, dict[str, str]]]]:
    """Of each cell what was written there, by whom and why, in order."""
    found: dict[tuple[RecordId, str], list[tuple[str, str, dict[str, str]]]] = {}
    for opened in door.site.counted():
        about = {name: text for name, text in opened.content.about.items() if name != PARTS}
        for change in opened.content.changes:
            row = (change.kind.name, opened.content.author, {**about, "value": change.value.hex()})
            found.setdefault((change.record, change.field), []).append(row)
    return found


@given(st.lists(asked, min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_writes_that_come_together_end_as_those_that_come_one_by_one(
    asked: list[tuple[tuple[Operation, ...], str, dict[str, str]]],
) -> None:
    together, alone = Door(), Door()
    submits = [Submit(number, *one) for number, one in enumerate(asked)]
    together.keep(together.records.handle(Together(tuple(submits)), NOON))
    for submit in submits:
        alone.keep(alone.records.handle(submit, NOON))
    for door in (together, alone):
        door.keep(door.site.settle())
    assert answered(together) == answered(alone)
    assert said_of_changes(together) == said_of_changes(alone)
    assert [together.show(record) for record in (*KEYS, POLICY)] == [alone.show(record) for record in (*KEYS, POLICY)]
    assert len(together.site.log()) <= len(alone.site.log())


def put_together(door: Door, *submits: Submit) -> list[int]:
    """The numbers of the batches that hold these writes."""
    door.keep(door.records.handle(Together(submits), NOON))
    door.keep(door.site.settle())
    heads = [door.answers[submit.request] for submit in submits]
    return [answer.head.number for answer in heads if isinstance(answer, Composed) and answer.head is not None]


def note(number: int, key: str, author: str = "ada", about: dict[str, str] | None = None, *, size: int = 1) -> Submit:
    return Submit(number, (PutRecord(RecordId("note", key), {"v": "v" * size}),), author, about or {})


def test_writes_of_one_author_for_one_reason_share_a_batch() -> None:
    assert put_together(Door(), note(0, "x"), note(1, "y"), note(2, "z")) == [1, 1, 1]


@pytest.mark.parametrize(
    "second",
    [note(1, "y", "bob"), note(1, "y", about={"reason": "other"}), note(1, "x", size=2)],
    ids=["another author", "another reason", "the same record"],
)
def test_other_writes_do_not(second: Submit) -> None:
    assert put_together(Door(), note(0, "x"), second) == [1, 2]


def test_a_part_of_an_undertaking_and_a_policy_stand_alone() -> None:
    about = {"intent": "i"}
    assert put_together(Door(), note(0, "x", about=about), note(1, "y", about=about)) == [1, 2]
    policy = Submit(1, (PutRecord(POLICY, {"rule": "ask"}),), "ada")
    assert put_together(Door(), note(0, "x"), policy, note(2, "y")) == [1, 2, 3]


def test_writes_that_are_too_large_together_share_as_few_batches_as_they_can() -> None:
    numbers = put_together(Door(), *(note(number, f"n{number}", size=20_000) for number in range(4)))
    assert numbers == [1, 1, 2, 2]


def test_one_that_is_refused_leaves_the_others_in_peace() -> None:
    bad = Submit(1, (PutRecord(RecordId("note", "y"), {"v": 2**70}),), "ada")
    door = Door()
    assert put_together(door, note(0, "x"), bad, note(2, "z"), note(3, "w")) == [1, 2, 2]
    assert isinstance(door.answers[1], NotComposed)
