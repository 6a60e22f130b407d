"""Files that come with the simulator go by one name on every machine.

Invariant: nothing outside the package is found on the shelf.
"""

import pytest

from sim.shelf import on_the_shelf, read_named


def test_a_packaged_file_is_read_by_its_name() -> None:
    name = on_the_shelf("rtt-matrix.csv")
    assert name == "packaged:rtt-matrix.csv"
    assert "0, " in read_named(name)


@pytest.mark.parametrize("name", ["nowhere.csv", "../library.py", "", "."])
def test_what_does_not_lie_there_is_not_found(name: str) -> None:
    assert on_the_shelf(name) is None


def test_a_packaged_file_that_is_not_there_can_not_be_read() -> None:
    with pytest.raises(OSError):
        read_named("packaged:nowhere.csv")
