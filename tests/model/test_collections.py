from typing import Any

import pytest

from mesh.errors import UsageError
from mesh.model.collections import SHAPES, schemas, validate

GOOD_UNIT: dict[str, object] = {
    "template": "driver/PowerSupply",
    "host": "ada",
    "desired": "START",
    "load_parameters": {"url": "x"},
    "drivers": [{"name": "PsSim", "version": "1.0", "init_parameter": "0,1", "our_own": 1}],
    "attributes": {"current": {"min": "0x10", "max": 100, "default": "20", "our_own": [1]}},
    "labels": {"zone": "BTF"},
    "something_new": {"passes": "through"},
}


def refusal(collection: str, record: dict[str, Any]) -> UsageError:
    with pytest.raises(UsageError) as refused:
        validate(collection, record)
    return refused.value


def test_a_good_unit_passes_and_so_does_what_it_says_beyond_its_shape() -> None:
    validate("unit", GOOD_UNIT)


@pytest.mark.parametrize("collection", list(SHAPES))
def test_an_empty_record_is_a_good_one(collection: str) -> None:
    validate(collection, {})


@pytest.mark.parametrize(
    ("collection", "record", "field"),
    [
        ("unit", {"desired": "RUNNING"}, "desired"),
        ("unit", {"desired": "FATAL_ERROR"}, "desired"),
        ("unit", {"schedule_delay_us": "1000"}, "schedule_delay_us"),
        ("unit", {"drivers": [{}, {"name": 5}]}, "drivers[1].name"),
        ("unit", {"labels": {"zone": "BTF", "group": 1}}, "labels.group"),
        ("unit", {"labels": 5}, "labels"),
        ("unit", {"attributes": {"position": {"min": "7", "max": "0x6"}}}, "attributes.position.min"),
        ("dataset", {"attributes": {"ok": {}, "position": {"type": "real"}}}, "attributes.position.type"),
        ("dataset", {"attributes": {"p": {"min_warning": 2, "max_warning": 1.5}}}, "attributes.p.min_warning"),
        ("dataset", {"attributes": {"p": []}}, "attributes.p"),
        ("template", {"defaults": {"attributes": {"p": {"min": 2, "max": 1}}}}, "defaults.attributes.p.min"),
        ("variable", {"description": 1}, "description"),
    ],
)
def test_what_is_wrong_is_named(collection: str, record: dict[str, Any], field: str) -> None:
    error = refusal(collection, record)
    assert error.field == field
    assert error.rule
    assert error.todo
    assert field in error.message


def test_a_wrong_choice_names_the_right_ones() -> None:
    assert refusal("unit", {"desired": "RUNNING"}).rule == "one of DEINIT, INIT, START, STOP"
    assert "RUNNING" in refusal("unit", {"desired": "RUNNING"}).message


def test_a_limit_that_is_no_number_is_not_compared() -> None:
    validate("unit", {"attributes": {"a": {"min": "", "max": "1"}, "b": {"min": "z", "max": "a"}}})


def test_an_unknown_collection_has_only_the_naming_rules() -> None:
    validate("beam-mode", {"anything": [1, {"goes": None}]})
    assert refusal("Beam", {}).field == "collection"
    assert refusal("beam", {"a\nb": 1}).field == "field"


def test_every_collection_has_a_schema() -> None:
    assert {shape.__name__ for shape in SHAPES.values()} <= set(schemas())
