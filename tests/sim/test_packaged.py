"""Files that come with the simulator go by one name on every machine.

Invariant: nothing outside the package goes by the name of a packaged file.
"""

import pytest

from sim.packaged import packaged_name, read_named


def test_a_packaged_file_is_read_by_its_name() -> None:
    name = packaged_name("rtt-matrix.csv")
    assert name == "packaged:rtt-matrix.csv"
    assert "0, " in read_named(name)


@pytest.mark.parametrize("name", ["nowhere.csv", "../library.py", "", "."])
def test_what_does_not_lie_there_is_not_found(name: str) -> None:
    assert packaged_name(name) is None


def test_a_packaged_file_that_is_not_there_can_not_be_read() -> None:
    with pytest.raises(OSError):
        read_named("packaged:nowhere.csv")
