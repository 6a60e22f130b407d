import pytest

from mesh.importers.chaos_unit import class_of, objects, unit_of
from mesh.importers.imported import Notes


@pytest.mark.parametrize(
    ("came", "named"),
    [
        ("::driver::ps::Supply", ("::driver::ps::Supply", "driver/ps/Supply")),
        (" RTCameraBase ", ("RTCameraBase", "RTCameraBase")),
        ("a/b::C", ("a/b::C", "a/b/C")),
        ("", None),
        ("x" * 300, None),
    ],
)
def test_the_key_of_a_template_comes_from_the_class(came: str, named: tuple[str, str] | None) -> None:
    notes = Notes()
    assert class_of({"cu_type": came}, "cu", notes) == named
    assert len(notes.taken) == (named is None)


def test_a_name_of_two_segments_has_no_zone() -> None:
    assert unit_of({}, "TEST/TEST_CU", "cu", Notes())["labels"] == {"group": "TEST"}


def test_hexadecimal_limits_stay_as_they_are_and_are_nothing_special() -> None:
    notes = Notes()
    entry = {"ds_attr_name": "VME_BASE", "ds_default_value": "0x66330000", "ds_min_range": "0x66330000"}
    assert unit_of({"AttrDesc": [entry]}, "A/B", "cu", notes)["attributes"] == {
        "VME_BASE": {"default": "0x66330000", "min": "0x66330000"}
    }
    assert notes.taken == []


def test_load_parameters_that_are_bare_json_become_the_text_that_they_should_be() -> None:
    notes = Notes()
    assert unit_of({"cu_param": {"url": "x"}}, "A/B", "cu", notes)["load_parameters"] == '{"url": "x"}'
    assert [note.where for note in notes.taken] == ["cu.cu_param"]


@pytest.mark.parametrize("value", [2.5, -1, "many", 10**30, True, []])
def test_a_number_that_is_none_is_left_out(value: object) -> None:
    notes = Notes()
    assert "storage_type" not in unit_of({"storage_type": value}, "A/B", "cu", notes)
    assert [note.where for note in notes.taken] == ["cu.storage_type"]


def test_what_is_no_list_of_objects_is_noted() -> None:
    notes = Notes()
    assert list(objects([{}, 5], "here", notes)) == [("here[0]", {})]
    assert list(objects("text", "there", notes)) == []
    assert list(objects(None, "nowhere", notes)) == []
    assert [note.where for note in notes.taken] == ["here[1]", "there"]
