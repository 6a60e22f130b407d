import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.model.quantity import AttributeType, infer_type, number, wider

TYPES = st.none() | st.sampled_from(AttributeType)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [("100", 100), (" -5 ", -5), ("1e-9", 1e-9), ("0x1C38", 7224), ("-0x10", -16), ("0.000000001", 1e-9), (7, 7)],
)
def test_numbers_are_read_as_the_field_writes_them(text: object, meaning: float) -> None:
    assert number(text) == meaning


@pytest.mark.parametrize(
    "text", ["", "asse3.t.zip", "inf", "nan", "1_000", "0x", "٣", True, None, [], "9" * 50, 10**400]
)
def test_what_is_no_number_is_none(text: object) -> None:
    assert number(text) is None


@given(st.text() | st.floats() | st.integers() | st.binary())
def test_reading_a_number_never_raises(value: object) -> None:
    number(value)


@pytest.mark.parametrize(
    ("values", "guess"),
    [
        (("0", "0", "100"), AttributeType.INT32),
        (("20", "0.000000001", "10000000"), AttributeType.DOUBLE),
        (("0x66330000", "", ""), AttributeType.INT32),
        (("0x4043", "0", "0xffffffff"), AttributeType.UINT32),
        (("-1", "", "0xffffffff"), AttributeType.INT64),
        (("asse3.t.zip", "", ""), AttributeType.STRING),
        ((True,), AttributeType.BOOL),
        (("", None, ""), None),
    ],
)
def test_a_default_and_its_limits_suggest_a_type(values: tuple[object, ...], guess: AttributeType | None) -> None:
    assert infer_type(*values) is guess


@given(TYPES, TYPES)
def test_widening_does_not_depend_on_the_order(left: AttributeType | None, right: AttributeType | None) -> None:
    assert wider(left, right) == wider(right, left)
    assert wider(left, left) == left
