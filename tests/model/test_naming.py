import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import UsageError
from mesh.model.naming import Name, check_collection, check_field, check_key, parse


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("BTF/DIPOLE/DHSTB001", Name("BTF", "DIPOLE", "DHSTB001")),
        ("BTF/DIAG/DAQ/QDC/QDC965LO", Name("BTF/DIAG/DAQ", "QDC", "QDC965LO")),
        ("TEST/TEST_CU", Name("", "TEST", "TEST_CU")),
        ("TEST", Name("", "", "TEST")),
    ],
)
def test_a_name_is_split_at_its_last_two_slashes(key: str, name: Name) -> None:
    assert parse(key) == name
    assert str(name) == key


@given(st.lists(st.text("ABC01_", min_size=1), min_size=1, max_size=6).map("/".join))
def test_the_parts_of_any_name_make_the_name_again(key: str) -> None:
    assert str(parse(key)) == key


@pytest.mark.parametrize("key", ["A", "A/B", "A/B/C/D/E", "é" * 100, "x" * 200, "camera 1/[mm]"])
def test_ordinary_keys_pass(key: str) -> None:
    check_key("unit", key)


@pytest.mark.parametrize("key", ["", "/A", "A/", "A//B", "A\0B", "A\nB", "A\x7fB", "\ud800", "x" * 201, "é" * 101])
def test_a_bad_key_is_refused_with_its_rule(key: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_key("unit", key)
    assert refused.value.field == "key"
    assert refused.value.rule
    assert refused.value.todo


@pytest.mark.parametrize("collection", ["", "Unit", "1st", "a" * 33, "unit/", "unit\n"])
def test_a_bad_collection_is_refused(collection: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_collection(collection)
    assert refused.value.field == "collection"


def test_a_field_is_a_short_printable_text() -> None:
    check_field("attributes.lineardisplacement[mm]")
    for path in ("", "a\tb", "x" * 201):
        with pytest.raises(UsageError):
            check_field(path)
