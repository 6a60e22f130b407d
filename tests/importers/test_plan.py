import json
from collections import Counter
from typing import Any

from mesh.ids import RecordId
from mesh.importers.imported import Import, Irregularity
from mesh.importers.plan import Change, Plan, plan

U1, U2 = RecordId("unit", "A/B/U1"), RecordId("unit", "A/B/U2")
DATASET = RecordId("dataset", "K")


def wanted(**records: dict[str, Any]) -> Import:
    places = {"u1": U1, "u2": U2, "dataset": DATASET}
    return Import({places[name]: record for name, record in records.items()}, [])


def against(held: dict[RecordId, dict[str, object]], asked: Import, *hosts: str) -> Plan:
    return plan(held.get, asked, list(hosts))


def test_a_new_record_is_created_whole() -> None:
    found = against({}, wanted(u1={"desired": "START", "labels": {"zone": "A"}}))
    assert found.changes == [Change(U1, {"desired": "START", "labels.zone": "A"})]
    assert found.changes[0].value == {"desired": "START", "labels": {"zone": "A"}}


def test_only_differing_fields_are_patched() -> None:
    held: dict[RecordId, dict[str, object]] = {
        U1: {"storage_type": 1, "server": "S", "attributes": {"x": {"min": "0", "unit": "A"}, "y": {"min": "1"}}}
    }
    asked = wanted(u1={"storage_type": 2, "server": "S", "attributes": {"x": {"min": "5"}, "y": {"min": "1"}}})
    assert against(held, asked).changes == [
        Change(
            U1,
            {"storage_type": 2, "attributes.x": {"min": "5", "unit": "A"}},
            {"storage_type": 1, "attributes.x": {"min": "0", "unit": "A"}},
        )
    ]


def test_nothing_is_cleared_and_no_decision_of_people_is_undone() -> None:
    held: dict[RecordId, dict[str, object]] = {
        U1: {"desired": "STOP", "host": "eve", "labels": {"zone": "mine"}, "note": "do not touch"},
        DATASET: {"description": "mine", "attributes": {"x": {"type": "double", "unit": "A"}}},
    }
    asked = wanted(
        u1={"desired": "START", "labels": {"zone": "A", "group": "B"}},
        dataset={"description": "ours", "attributes": {"x": {"type": "int32"}, "y": {"type": "string"}}},
    )
    assert against(held, asked, "ada").changes == [
        Change(U1, {"labels.group": "B"}, {}),
        Change(DATASET, {"attributes.y": {"type": "string"}}, {}),
    ]


def test_a_unit_without_a_desired_state_gets_one() -> None:
    assert against({U1: {"server": "S"}}, wanted(u1={"desired": "START"})).changes == [
        Change(U1, {"desired": "START"}, {})
    ]


def test_units_without_a_host_are_spread_evenly_and_always_alike() -> None:
    units = {RecordId("unit", f"A/B/U{number}"): {"desired": "START"} for number in range(10)}
    asked = Import(dict(units), [])
    hosts = {change.record: change.value["host"] for change in plan(lambda _: None, asked, ["c", "a", "b"]).changes}
    assert Counter(hosts.values()) == {"a": 4, "b": 3, "c": 3}
    backwards = Import(dict(reversed(units.items())), [])
    again = {change.record: change.value["host"] for change in plan(lambda _: None, backwards, ["a", "b", "c"]).changes}
    assert again == hosts


def test_units_that_have_a_host_count_and_stay() -> None:
    found = against({U1: {"host": "ada"}}, wanted(u1={}, u2={}), "ada", "bob")
    assert found.changes == [Change(U2, {"host": "bob"})]


def test_a_plan_reads_well_and_is_json() -> None:
    asked = Import({U1: {"storage_type": 2}, U2: {"storage_type": 2}}, [Irregularity("us[0]", "5", "left out")])
    found = plan({U1: {"storage_type": 1}}.get, asked, [])  # type: ignore[arg-type]
    assert found.lines() == [
        "! us[0]: 5 - left out",
        "~ unit/A/B/U1",
        "    storage_type = 1 -> 2",
        "+ unit/A/B/U2",
        "    storage_type = 2",
        "1 to create, 1 to change, 0 as they should be, 1 irregularities",
    ]
    assert json.loads(json.dumps(found.to_dict())) == {
        "changes": [
            {
                "collection": "unit",
                "key": "A/B/U1",
                "action": "patch",
                "fields": {"storage_type": 2},
                "before": {"storage_type": 1},
            },
            {"collection": "unit", "key": "A/B/U2", "action": "create", "fields": {"storage_type": 2}, "before": {}},
        ],
        "unchanged": 0,
        "irregularities": [{"where": "us[0]", "came": "5", "done": "left out"}],
    }
