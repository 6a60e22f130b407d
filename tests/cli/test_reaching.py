"""Who reaches whom, as a matrix and in words."""

import pytest

from mesh.cli.reaching import cell, told
from mesh.runtime.rows import PathFault, ReachRow

ROW = ReachRow("a", True, {"b": 4}, ["c"])


@pytest.mark.parametrize(
    ("other", "fault", "shown"),
    [
        ("b", None, "4 ms"),
        ("c", None, "no answer"),
        ("d", None, ""),
        ("c", PathFault("a", "c", "one-way"), "LOST"),
        ("c", PathFault("c", "a", "one-way"), "arrives"),
        ("c", PathFault("a", "c", "both-ways"), "LOST"),
        ("c", PathFault("c", "a", "both-ways"), "LOST"),
        ("c", PathFault("a", "c", "unanswered"), "no answer"),
        ("b", PathFault("a", "b", "streams"), "no stream"),
        ("b", PathFault("b", "a", "streams"), "4 ms"),
    ],
)
def test_a_cell_is_about_what_its_row_sends(other: str, fault: PathFault | None, shown: str) -> None:
    assert cell(ROW, other, [fault] if fault else []) == shown


@pytest.mark.parametrize("how", ["one-way", "both-ways", "streams", "unanswered"])
def test_every_fault_names_both_ends(how: str) -> None:
    said = told(PathFault("ada", "bob", how))
    assert ("ada" in said, "bob" in said) == (True, True)
