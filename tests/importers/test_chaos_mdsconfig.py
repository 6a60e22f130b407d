import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.errors import UsageError
from mesh.ids import RecordId
from mesh.importers.chaos_mdsconfig import read
from mesh.importers.imported import Import
from mesh.importers.plan import plan
from mesh.model.collections import validate
from mesh.model.fields import flatten
from mesh.model.naming import check_key

EXAMPLE = Path(__file__).parents[2] / "examples" / "beamline.json"
REAL = Path(__file__).parents[3] / "shared" / "samples" / "chaos-MDSConfig-full.json"  # Not ours to ship.
ID = "BTF/DIPOLE/D1"


def unit(key: str = ID, **fields: Any) -> dict[str, Any]:
    return {"cu_id": key, "cu_type": "::driver::ps::Supply", "unit_server_alias": "TEST"} | fields


def imported(*units: Any, **server: Any) -> Import:
    return read(json.dumps({"us": [{"unit_server_alias": "TEST", "cu_desc": list(units)} | server]}).encode())


def record(found: Import, key: str = ID) -> dict[str, Any]:
    return found.records[RecordId("unit", key)]


def notes(found: Import) -> dict[str, str]:
    return {irregularity.where: irregularity.done for irregularity in found.irregularities}


def test_a_unit_is_read_with_all_that_it_says() -> None:
    found = imported(
        unit(
            cu_param="x=1",
            auto_load=True,
            storage_type=2,
            storage_ageing=3600,
            default_schedule_delay=500000,
            DriverDescription=[
                {
                    "DriverDescriptionName": "Sim",
                    "DriverDescriptionVersion": "1.0",
                    "DriverDescriptionInitParam": "0",
                    "DriverDescriptionProp": [{"name": "a", "value": 1}],
                }
            ],
            AttrDesc=[
                {"ds_attr_name": "current", "ds_default_value": "1.5", "ds_min_range": "0", "ds_max_range": "0x64"},
                {"ds_attr_name": "mode", "ds_default_value": "", "ds_min_range": "", "ds_max_range": ""},
            ],
        )
    )
    assert record(found) == {
        "desired": "START",
        "auto_load": True,
        "storage_type": 2,
        "storage_ageing_s": 3600,
        "schedule_delay_us": 500000,
        "load_parameters": "x=1",
        "drivers": [
            {"name": "Sim", "version": "1.0", "init_parameter": "0", "properties": [{"name": "a", "value": 1}]}
        ],
        "attributes": {"current": {"default": "1.5", "min": "0", "max": "0x64"}, "mode": {}},
        "labels": {"zone": "BTF", "group": "DIPOLE"},
        "template": "driver/ps/Supply",
        "server": "TEST",
    }
    assert found.irregularities == []


def test_a_class_gives_one_template_and_one_dataset_with_the_union_of_attributes() -> None:
    found = imported(
        unit(AttrDesc=[{"ds_attr_name": "current", "ds_default_value": "1", "ds_min_range": "0"}]),
        unit("BTF/DIPOLE/D2", AttrDesc=[{"ds_attr_name": "current", "ds_max_range": "2.5"}, {"ds_attr_name": "mode"}]),
    )
    assert found.records[RecordId("template", "driver/ps/Supply")] == {
        "implementation": "::driver::ps::Supply",
        "dataset": "driver/ps/Supply",
    }
    assert found.records[RecordId("dataset", "driver/ps/Supply")]["attributes"] == {
        "current": {"direction": "input", "type": "double"},
        "mode": {"direction": "input"},
    }


def test_what_is_missing_stays_missing() -> None:
    assert record(imported(unit())) == {
        "desired": "START",
        "labels": {"zone": "BTF", "group": "DIPOLE"},
        "template": "driver/ps/Supply",
        "server": "TEST",
    }


@pytest.mark.parametrize(
    ("flags", "desired"),
    [
        ((True, True, True), "START"),
        ((True, True, False), "INIT"),
        ((True, False, True), "DEINIT"),
        ((False, True, True), "DEINIT"),
        ((True, True, None), "START"),
        ((None, None, False), "INIT"),
    ],
)
def test_the_desired_state_is_what_the_unit_server_would_do(flags: tuple[bool | None, ...], desired: str) -> None:
    names = ("auto_load", "auto_init", "auto_start")
    given_flags = {name: flag for name, flag in zip(names, flags, strict=True) if flag is not None}
    assert record(imported(unit(**given_flags)))["desired"] == desired


def test_an_identical_duplicate_is_kept_once_and_reported() -> None:
    found = imported(unit(), unit())
    assert notes(found) == {"us[0].cu_desc[1].cu_id": "also at us[0].cu_desc[0], identical: one was kept"}


def test_of_different_duplicates_the_first_keeps_the_id_and_the_differing_fields_are_named() -> None:
    first, second = ([{"DriverDescriptionName": "Sim", "DriverDescriptionInitParam": text}] for text in "12")
    found = imported(unit(DriverDescription=first), unit(DriverDescription=second, cu_type="Other"))
    assert record(found)["drivers"][0]["init_parameter"] == "1"
    assert RecordId("template", "Other") not in found.records
    assert notes(found)["us[0].cu_desc[1].cu_id"].endswith("differs in drivers[0].init_parameter, template")


@pytest.mark.parametrize("name", ["", "  ", "::", None, 5])
def test_a_unit_without_a_class_has_no_template(name: object) -> None:
    found = imported(unit(cu_type=name))
    assert "template" not in record(found)
    assert "without a template" in notes(found)["us[0].cu_desc[0].cu_type"]


def test_the_containing_server_wins_over_the_one_inside() -> None:
    found = imported(unit(unit_server_alias="ELSEWHERE"))
    assert record(found)["server"] == "TEST"
    assert list(notes(found)) == ["us[0].cu_desc[0].unit_server_alias"]
    assert RecordId("server", "ELSEWHERE") not in found.records


def test_a_server_without_a_name_leaves_its_units_the_one_that_they_name() -> None:
    found = imported(unit(), unit_server_alias=None)
    assert record(found)["server"] == "TEST"
    assert RecordId("server", "TEST") in found.records


def test_two_entries_of_one_server_are_joined() -> None:
    server = {"unit_server_alias": "TEST", "cu_desc": []}
    found = read(json.dumps({"us": [server, server | {"cu_desc": [unit()]}]}).encode())
    assert record(found)["server"] == "TEST"
    assert list(notes(found)) == ["us[1].unit_server_alias"]


def test_keys_and_run_time_fields_never_become_configuration() -> None:
    found = imported(unit(health_stat={"nh_status": "Start"}, seq=7, colour="red"), private_key="secret")
    assert set(record(found)) == {"desired", "labels", "template", "server"}
    assert notes(found).keys() == {
        *("us[0].private_key", "us[0].cu_desc[0].health_stat"),
        *("us[0].cu_desc[0].seq", "us[0].cu_desc[0].colour"),
    }
    assert "secret" not in str(found)


def test_numbers_and_strings_in_each_others_place_are_mended_and_reported() -> None:
    attribute = {"ds_attr_name": "a", "ds_default_value": 5, "ds_min_range": 1.5, "ds_max_range": [1]}
    found = imported(unit(storage_type="2", default_schedule_delay=-1, auto_load="true", AttrDesc=[attribute]))
    assert record(found)["storage_type"] == 2
    assert record(found)["auto_load"] is True
    assert "schedule_delay_us" not in record(found)
    assert record(found)["attributes"]["a"] == {"default": "5", "min": "1.5"}
    assert len(found.irregularities) == 6


def test_reversed_limits_are_left_out() -> None:
    found = imported(unit(AttrDesc=[{"ds_attr_name": "a", "ds_min_range": "0x10", "ds_max_range": "3"}]))
    assert record(found)["attributes"] == {"a": {}}
    assert list(notes(found)) == ["us[0].cu_desc[0].AttrDesc[0]"]


def test_of_two_attributes_with_one_name_the_first_is_kept() -> None:
    one, two = ({"ds_attr_name": "a", "ds_default_value": text} for text in "12")
    found = imported(unit(AttrDesc=[one, one, two, {"ds_attr_name": ""}]))
    assert record(found)["attributes"] == {"a": {"default": "1"}}
    assert list(notes(found)) == [
        *("us[0].cu_desc[0].AttrDesc[1]", "us[0].cu_desc[0].AttrDesc[2]"),
        "us[0].cu_desc[0].AttrDesc[3].ds_attr_name",
    ]


@pytest.mark.parametrize("key", [None, 5, "", "/A", "A//B", "A\nB"])
def test_a_unit_without_a_usable_id_is_left_out(key: object) -> None:
    found = read(json.dumps({"us": [{"unit_server_alias": "TEST", "cu_desc": [{"cu_id": key}]}]}).encode())
    assert [found_record.collection for found_record in found.records] == ["server"]
    assert list(notes(found)) == ["us[0].cu_desc[0].cu_id"]


def test_a_driver_without_a_name_is_kept_and_reported() -> None:
    found = imported(unit(DriverDescription=[{"DriverDescriptionVersion": "1"}, "what"]))
    assert record(found)["drivers"] == [{"version": "1"}]
    assert list(notes(found)) == ["us[0].cu_desc[0].DriverDescription[0]", "us[0].cu_desc[0].DriverDescription[1]"]


def test_a_single_unit_and_a_single_server_are_files_too() -> None:
    assert record(read(json.dumps(unit()).encode()))["server"] == "TEST"
    assert record(read(json.dumps({"unit_server_alias": "TEST", "cu_desc": [unit()]}).encode()))["server"] == "TEST"


def test_a_byte_order_mark_is_no_obstacle() -> None:
    assert read(b'\xef\xbb\xbf{"us": []}').records == {}


def test_a_truncated_file_is_refused_with_the_place_and_what_to_do() -> None:
    data = json.dumps({"us": [{"unit_server_alias": "TEST", "cu_desc": [unit()]}]}, indent=1).encode()
    for end in (len(data) - 3, data.index(b"DIPOLE")):
        with pytest.raises(UsageError, match="ends too early at line ") as refused:
            read(data[:end])
        assert "again" in refused.value.todo


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"[]", b"5", b"{}", b'{"us": {}}', b'{"ndk_uid": "X", "cu_desc": []}', b'{"agents": [], "us": []}'),
        *(b'{"us": [}', b"\xff\xfe", b'{"us": [NaN]}', b'{"us": ["\\ud800"]}', b"[" * 100_000),
    ],
)
def test_what_is_no_such_file_is_refused_with_what_to_do(data: bytes) -> None:
    with pytest.raises(UsageError) as refused:
        read(data)
    assert refused.value.rule
    assert refused.value.todo


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def damaged(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with the known keys, each of them missing, as expected, or any JSON at all."""
    return st.fixed_dictionaries({}, optional={key: value | JSON for key, value in known.items()})


LIMIT = st.sampled_from(["", "0", "10", "0x1C38", "1e-9", "a.zip"])
ATTRIBUTE = damaged(
    ds_attr_name=st.sampled_from("ab"), ds_default_value=LIMIT, ds_min_range=LIMIT, ds_max_range=LIMIT, other=JSON
)
UNIT = damaged(
    cu_id=st.sampled_from(["A/B/C", "B/C"]),
    cu_type=st.sampled_from(["", "::x::Y", "x::Y"]),
    cu_param=JSON,
    unit_server_alias=st.sampled_from("ST"),
    auto_init=st.booleans(),
    storage_type=st.integers(0, 3),
    default_schedule_delay=st.just("1000000"),
    DriverDescription=st.lists(damaged(DriverDescriptionName=JSON, DriverDescriptionInitParam=JSON), max_size=2),
    AttrDesc=st.lists(ATTRIBUTE | JSON, max_size=3),
)
SERVER = damaged(unit_server_alias=st.sampled_from("ST"), cu_desc=st.lists(UNIT | JSON, max_size=3), private_key=JSON)


@settings(deadline=None)
@given(st.lists(SERVER | JSON, max_size=2))
def test_whatever_a_file_holds_the_records_are_good_and_a_second_import_changes_nothing(servers: list[Any]) -> None:
    found = read(json.dumps({"us": servers}).encode())
    for key, value in found.records.items():
        check_key(key.collection, key.key)
        validate(key.collection, value)
        assert flatten(value)
    made = {change.record: change.value for change in plan(lambda key: None, found, ["ada"]).changes}
    assert plan(made.get, found, ["ada"]).changes == []


def test_the_example_has_something_to_say() -> None:
    found = read(EXAMPLE.read_bytes())
    count = [key.collection for key in found.records].count
    assert (count("server"), count("unit"), count("template"), count("dataset")) == (2, 21, 4, 4)
    assert [irregularity.where for irregularity in found.irregularities] == [
        *("us[1].cu_desc[8].cu_id", "us[1].cu_desc[9].cu_type"),
    ]


@pytest.mark.skipif(not REAL.exists(), reason="the real export is not here: it is not ours to ship")
def test_the_real_file_is_read_whole() -> None:
    found = read(REAL.read_bytes())
    count = [key.collection for key in found.records].count
    assert (count("server"), count("unit"), count("template")) == (3, 80, 11)
    said = [irregularity.done for irregularity in found.irregularities]
    assert sum("without a template" in done for done in said) == 4
    assert [done for done in said if "also at" in done] == [
        "also at us[2].cu_desc[0], identical: one was kept",
        "also at us[2].cu_desc[1], which was kept; this one, left out, differs in drivers[0].init_parameter",
    ]
    for key, value in found.records.items():
        check_key(key.collection, key.key)
        validate(key.collection, value)
