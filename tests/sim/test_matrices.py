"""Files of round trips are read in the forms in which people have them."""

from pathlib import Path

import pytest

from mesh.errors import UsageError
from sim.matrices import read_matrix


def read(tmp_path: Path, text: str) -> list[list[float]]:
    path = tmp_path / "rtt.txt"
    path.write_text(text, "utf-8")
    return read_matrix(str(path), 0.001)


def test_triples_are_read_whether_hosts_begin_at_0_or_1(tmp_path: Path) -> None:
    wanted = [[0.0, 0.05, 0.1], [0.05, 0.0, 0.01], [0.1, 0.01, 0.0]]
    assert read(tmp_path, "# King\n0 1 100\n0 2 200\n1 2 20\n") == wanted
    assert read(tmp_path, "1 2 100\n1 3 200\n2 3 20\n") == wanted


def test_a_full_matrix_is_read_with_spaces_or_commas(tmp_path: Path) -> None:
    wanted = [[0.0, 0.05], [0.05, 0.0]]
    assert read(tmp_path, "0 100\n100 0\n") == wanted
    assert read(tmp_path, "0, 80\n120, 0\n") == wanted
    assert read(tmp_path, "0 10 20\n10 0 30\n20 30 0\n")[1][2] == 0.015


def test_what_was_not_measured_gets_the_median(tmp_path: Path) -> None:
    matrix = read(tmp_path, "0 1 100\n0 2 -1\n1 2 40\n0 3 60\n")
    assert matrix[0][2] == matrix[2][3] == 0.03


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 1 fast\n", "line 1: numbers were expected"),
        ("0 1 5\n0 2\n", "line 2: two hosts' numbers and a round trip"),
        ("0 1\n1\n", "line 2: 2 round trips were expected, and there are 1"),
        ("\n# nothing\n", "there are no round-trip times"),
        ("0 123456 1\n", "123457 hosts, and 10000 is the most"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"nowhere\.txt: can't read"):
        read_matrix("nowhere.txt", 1.0)
