"""Errors are sentences, and say whose fault it was."""

import pytest

from mesh.errors import (
    DamagedRow,
    MalformedMessage,
    MeshError,
    NotFound,
    Refused,
    StorageError,
    Unmet,
    UsageError,
)


def test_a_usage_error_names_the_field_the_rule_and_what_to_do() -> None:
    error = UsageError("a name was expected", field="name", rule="not empty", todo="give one")
    assert (str(error), error.field, error.rule, error.todo) == ("a name was expected", "name", "not empty", "give one")


def test_an_unmet_expectation_is_a_refusal_with_details() -> None:
    error = Unmet("it has moved on", field="v", rule="as it was seen", todo="read again", details={"there": 2})
    assert isinstance(error, Refused)
    assert error.details == {"there": 2}


def test_a_damaged_row_is_named_for_people_and_for_whoever_mends_it() -> None:
    error = DamagedRow("cells", b"\x01\x02")
    assert isinstance(error, StorageError)
    assert (error.table, error.key) == ("cells", b"\x01\x02")
    assert "0102" in str(error)
    assert "cells" in str(error)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [(NotFound, UsageError), (Refused, UsageError), (StorageError, MeshError), (MalformedMessage, MeshError)],
)
def test_whose_fault_it_was_is_a_class(kind: type[MeshError], fault: type[MeshError]) -> None:
    assert issubclass(kind, fault)
