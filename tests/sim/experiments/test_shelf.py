"""A finished cell is kept, and counts only for the code and the plan that made it.

Invariant: files are real ones.
"""

from pathlib import Path

import pytest
from msgspec.structs import replace

from mesh.errors import UsageError
from sim.experiments.plan import Cell, Outcome
from sim.experiments.results import Measured
from sim.experiments.shelf import CELLS, Shelf, write_whole
from sim.provenance import provenance

ONE, OTHER = Cell({"nodes": 2}, 1), Cell({"nodes": 2}, 2)
MEASURED = Measured(ONE, Outcome({"s": 0.1 + 0.2}, {"late": (1e-9, 3.0)}, "abc"))


def test_what_was_kept_is_found_again_as_it_was(tmp_path: Path) -> None:
    Shelf(tmp_path, "own", provenance()).put(MEASURED, 1.5)
    found = Shelf(tmp_path, "own", provenance()).take([ONE, OTHER])
    assert {name: (one.cell, one.outcome) for name, one in found.items()} == {ONE.name: (ONE, MEASURED.outcome)}


def test_what_other_code_made_or_what_is_torn_does_not_count(tmp_path: Path) -> None:
    Shelf(tmp_path, "own", provenance()).put(MEASURED, 1.5)
    older = Shelf(tmp_path, "own", replace(provenance(), code="0" * 16))
    assert (older.take([ONE]), older.stale) == ({}, 1)
    other = Shelf(tmp_path, "another", provenance())
    assert (other.take([ONE]), other.stale) == ({}, 1)
    path = tmp_path / CELLS / f"{ONE.name}.json"
    path.write_bytes(path.read_bytes()[:-9])
    torn = Shelf(tmp_path, "own", provenance())
    assert (torn.take([ONE]), torn.stale) == ({}, 1)


def test_another_commit_with_the_same_code_counts(tmp_path: Path) -> None:
    Shelf(tmp_path, "own", replace(provenance(), commit="0" * 40)).put(MEASURED, 1.5)
    assert list(Shelf(tmp_path, "own", provenance()).take([ONE])) == [ONE.name]


def test_a_folder_that_takes_nothing_is_told_before_the_work(tmp_path: Path) -> None:
    Shelf(tmp_path / "new", "own", provenance()).claim()
    assert list((tmp_path / "new" / CELLS).iterdir()) == []
    (tmp_path / "plain").write_bytes(b"")
    with pytest.raises(UsageError, match="can't write there"):
        Shelf(tmp_path / "plain", "own", provenance()).claim()


def test_a_file_is_written_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_whole(tmp_path / "new" / "file", b"old")
    write_whole(tmp_path / "new" / "file", b"new")
    assert [(path.name, path.read_bytes()) for path in (tmp_path / "new").iterdir()] == [("file", b"new")]
    (tmp_path / "new" / "taken").mkdir()
    for place in (tmp_path / "new" / "file" / "below", tmp_path / "new" / "taken"):
        with pytest.raises(UsageError, match="can't write there"):
            write_whole(place, b"")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["file", "taken"]
