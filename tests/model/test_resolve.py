from mesh.ids import RecordId
from mesh.model.dataset import Attribute
from mesh.model.quantity import AttributeType
from mesh.model.resolve import Lookup, UnitSpec, resolve
from mesh.model.unit import DriverEntry


def lookup(**records: dict[str, object]) -> Lookup:
    """Records by `collection__key`."""
    return lambda record: records.get(f"{record.collection}__{record.key}")


def test_the_unit_wins_over_its_templates_and_they_over_the_dataset() -> None:
    spec = resolve(
        "u",
        lookup(
            dataset__magnet={"attributes": {"current": {"type": "double", "min": "0", "max": "100"}, "bypass": {}}},
            template__far={"dataset": "magnet", "implementation": "Far", "load_parameters": "far"},
            template__near={
                "extends": "far",
                "implementation": "Near",
                "defaults": {"schedule_delay_us": 500_000, "attributes": {"current": {"max": "50", "default": "1"}}},
            },
            unit__u={"template": "near", "attributes": {"current": {"default": "20"}}, "drivers": [{"name": "Sim"}]},
        ),
    )
    assert spec.implementation == "Near"
    assert spec.load_parameters == "far"
    assert spec.schedule_delay_us == 500_000
    assert spec.drivers[0].name == "Sim"
    assert spec.attributes == {
        "current": Attribute(type=AttributeType.DOUBLE, min="0", max="50", default="20"),
        "bypass": Attribute(),
    }


def test_a_unit_without_any_record_still_has_a_specification() -> None:
    assert resolve("u", lookup()) == UnitSpec(unit="u")


def test_a_circle_of_templates_ends() -> None:
    circle = lookup(
        template__a={"extends": "b", "implementation": "A"},
        template__b={"extends": "a", "implementation": "B"},
        unit__u={"template": "a"},
    )
    assert resolve("u", circle).implementation == "A"


def test_only_the_records_that_count_are_read() -> None:
    read: list[RecordId] = []
    resolve("u", lambda record: read.append(record) or ({"template": "t"} if record.collection == "unit" else None))
    assert read == [RecordId("unit", "u"), RecordId("template", "t")]


def test_what_is_out_of_shape_is_left_out_and_the_rest_is_taken() -> None:
    spec = resolve(
        "u",
        lookup(
            template__t={"implementation": "T", "drivers": [{"name": "Good"}], "defaults": 5},
            unit__u={
                "template": "t",
                "drivers": [{"name": 5}],
                "schedule_delay_us": "fast",
                "attributes": {"a": {"type": "real", "max": "5"}, "b": 7},
            },
        ),
    )
    assert spec == UnitSpec(
        unit="u",
        template="t",
        implementation="T",
        drivers=(DriverEntry(name="Good"),),
        attributes={"a": Attribute(max="5"), "b": Attribute()},
    )
