"""What an author wants becomes changes that name all that they replace, and never a void batch."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.crdt.compose import Bury, Clear, Edit, Put, Restore, changes_of
from mesh.crdt.replica import MemoryReplica
from mesh.errors import UsageError
from mesh.ids import RecordId
from tests.crdt.histories import RECORDS, histories, writes
from tests.crdt.site import Site, exchange

RECORD = RECORDS[0]


@given(histories, writes)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_composed_is_never_void(sites: list[Site], edits: tuple[Edit, ...]) -> None:
    exchange(sites)
    head = sites[0].write(*edits)
    assert sites[0].fate(head) == ""
    exchange(sites)
    assert sites[1].fate(head) == ""


@given(histories, st.sampled_from(RECORDS))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_bury_names_every_live_change_of_its_record(sites: list[Site], record: RecordId) -> None:
    stored = sites[0].show(record)
    cells = (*stored.cells.values(), stored.buries) if stored is not None else ()
    (change,) = changes_of(sites[0].disk, (Bury(record),))
    assert sorted(change.over) == sorted(sibling.dot for cell in cells for sibling in cell)


@pytest.mark.parametrize(
    ("edit", "field", "rule"),
    [
        (Put(RecordId("", "key"), "f", 1), "f", "a collection has"),
        (Put(RecordId("unit", "k" * 241), "f", 1), "f", "a key has"),
        (Clear(RECORD, "f" * 231), "f" * 231, "a field has"),
        (Bury(RecordId("unit", "a\0b")), "key", "no NUL"),
        (Restore(RecordId("unit", "")), "key", "a key has"),
    ],
)
def test_a_name_out_of_bounds_is_refused_with_its_field_and_rule(edit: Edit, field: str, rule: str) -> None:
    with pytest.raises(UsageError) as refused:
        changes_of(MemoryReplica(), (edit,))
    assert refused.value.field == field
    assert rule in refused.value.rule


def deep(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("value", [2**64, -(2**63) - 1, object(), "\ud800", deep(3_000), {(1, object()): 1}])
def test_a_value_that_cannot_be_kept_is_refused_and_not_a_crash(value: object) -> None:
    ada = Site("a")
    with pytest.raises(UsageError, match="cannot be kept") as refused:
        ada.compose(Put(RECORD, "current", value))
    assert refused.value.field == "current"
    assert ada.waiting == []
    assert ada.write(Put(RECORD, "current", 1)).number == 1


@pytest.mark.parametrize(
    "edits",
    [
        (Put(RECORD, "current", 1), Put(RECORD, "current", 2)),
        (Put(RECORD, "current", 1), Clear(RECORD, "current")),
        (Bury(RECORD), Restore(RECORD)),
    ],
)
def test_two_edits_of_one_cell_are_refused_because_their_batch_would_be_void(edits: tuple[Edit, ...]) -> None:
    with pytest.raises(UsageError, match="changed twice in one write"):
        Site("a").compose(*edits)
