from random import Random

import pytest

from mesh.model.dataset import Attribute
from mesh.model.quantity import AttributeType
from mesh.units.signal import Signal, signal_of


def test_an_integer_with_a_wide_range_flickers_and_stays_inside() -> None:
    signal = signal_of("axisID", Attribute(default="255", min="0", max="255"))
    assert signal is not None
    assert signal.integer
    rng, value, shown = Random(1), 255.0, []
    for _ in range(100):
        value = signal.follow(value, 255, rng)
        shown.append(signal.shown(value))
    assert {type(number) for number in shown} == {int}
    assert max(shown) == 255
    assert min(shown) < 255


@pytest.mark.parametrize(
    ("attribute", "signal"),
    [
        (Attribute(default="20", min="0x0", max="0x64"), Signal("a", True, 0, 100, 20)),
        (Attribute(default="20.5", min="0"), Signal("a", False, 0, float("inf"), 20.5)),
        (Attribute(type=AttributeType.DOUBLE, max="-1"), Signal("a", False, float("-inf"), -1, -1)),
        (Attribute(type=AttributeType.INT32, default="0", min="0.1", max="9.9"), Signal("a", True, 1, 9, 1)),
        (Attribute(type=AttributeType.INT32, default="0", min="0.1", max="0.9"), Signal("a", False, 0.1, 0.9, 0.1)),
        (Attribute(default="5.0", min="10", max="0"), Signal("a", False, 0, 10, 5)),
        (Attribute(default="asse3.t.zip"), None),
        (Attribute(), None),
        (Attribute(type=AttributeType.BOOL, default="1"), None),
        (Attribute(type=AttributeType.DOUBLE, vector=True), None),
    ],
)
def test_a_scalar_number_becomes_a_signal_inside_its_limits(attribute: Attribute, signal: Signal | None) -> None:
    assert signal_of("a", attribute) == signal


def test_a_value_is_shown_with_few_digits_and_never_rounded_out_of_its_limits() -> None:
    assert Signal("a", False, 0, 10, 0).shown(1.23456789) == 1.23457
    assert Signal("a", False, 0, 1.2345678, 0).shown(1.2345678) <= 1.2345678
    assert repr(Signal("a", True, 0, 10, 0).shown(2.6)) == "3"
