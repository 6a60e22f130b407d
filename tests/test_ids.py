"""Identities as people and keys see them."""

from hypothesis import given

from mesh.ids import Address, Boot, Dot, RecordId, short
from tests.strategies import boots, dots


def test_an_address_is_written_as_people_write_it() -> None:
    assert str(Address("10.0.0.1", 7000)) == "10.0.0.1:7000"
    assert str(Address("fe80::1", 7000)) == "[fe80::1]:7000"


@given(boots, boots)
def test_a_boot_is_ordered_by_its_count_and_then_by_its_noise(one: Boot, two: Boot) -> None:
    assert (one < two) == ((one.count, one.noise) < (two.count, two.noise))


@given(dots)
def test_a_dot_is_written_without_loss(dot: Dot) -> None:
    writer, number, index, mark = str(dot).split(".")
    assert Dot(bytes.fromhex(writer), int(number), int(index), bytes.fromhex(mark)) == dot


def test_identities_are_short_for_people() -> None:
    assert short(bytes(range(16))) == "00010203"
    assert str(RecordId("unit", "BTF/DIPOLE/1")) == "unit/BTF/DIPOLE/1"
