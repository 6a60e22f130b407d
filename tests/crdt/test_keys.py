"""Keys keep a record's cells together, and name what they were made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.crdt.keys import (
    FIELD_BYTES_MAX,
    batch_key,
    cell_key,
    field_fault,
    name_fault,
    number_of,
    record_fault,
    record_prefix,
    split_cell_key,
)
from mesh.crdt.replica import KEY_BYTES_MAX
from mesh.ids import RecordId, WriterId

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=20)
records = st.builds(RecordId, names, names)
fields = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@given(records, fields)
def test_a_cell_key_names_its_record_and_field(record: RecordId, field: str) -> None:
    assert split_cell_key(cell_key(record, field)) == (record, field)


@given(records, fields, records, fields)
def test_the_cells_of_a_record_are_neighbours(one: RecordId, field: str, other: RecordId, other_field: str) -> None:
    inside = cell_key(other, other_field).startswith(record_prefix(one))
    assert inside == (other == one)
    assert cell_key(one, field).startswith(record_prefix(one))


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**63 - 1))
def test_batch_keys_of_a_writer_are_in_the_order_of_their_numbers(writer: bytes, number: int) -> None:
    key = batch_key(WriterId(writer), number)
    assert number_of(key) == number
    assert key < batch_key(WriterId(writer), number + 1)


def test_the_longest_names_fit_a_key() -> None:
    assert len(cell_key(RecordId("c" * 32, "k" * 240), "f" * FIELD_BYTES_MAX)) <= KEY_BYTES_MAX


@pytest.mark.parametrize(
    "record", [RecordId("", "k"), RecordId("c", ""), RecordId("c\0", "k"), RecordId("c", "k" * 241)]
)
def test_names_that_are_no_record(record: RecordId) -> None:
    assert record_fault(record)
    assert name_fault(record, "") == record_fault(record)


def test_a_field_that_is_too_long_is_told() -> None:
    assert "a field has at most" in str(field_fault(b"f" * (FIELD_BYTES_MAX + 1)))
