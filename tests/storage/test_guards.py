"""The guard notices a database that is not the one that was open last, and nothing else.

Invariant: a node that is only stopped and started, or that crashes while it opens, keeps its era.
"""

import json
import os
import shutil
from pathlib import Path

import pytest

from mesh.errors import StorageError
from mesh.storage.guards import Guard, Verdict


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "ledger" / "data.mdb"
    path.parent.mkdir()
    path.write_bytes(b"database")
    return path


@pytest.fixture
def guard(tmp_path: Path, database: Path) -> Guard:
    return Guard(tmp_path / "guard", database)


def test_a_new_database_is_fresh(guard: Guard) -> None:
    assert guard.check(0) is Verdict.FRESH
    assert guard.check(0).keeps_era


def test_each_open_counts_one(guard: Guard) -> None:
    counter = 0
    for _ in range(3):
        assert guard.check(counter).keeps_era
        counter = guard.next_count(counter)
        guard.advance(counter)
    assert (counter, guard.check(counter)) == (3, Verdict.SAME)


def test_a_crash_between_database_and_guard_is_no_offence(guard: Guard) -> None:
    guard.advance(4)
    assert guard.check(5) is Verdict.SAME
    assert guard.next_count(5) == 6


@pytest.mark.parametrize(
    ("counter", "verdict"), [(0, Verdict.ROLLED_BACK), (3, Verdict.ROLLED_BACK), (6, Verdict.AHEAD), (9, Verdict.AHEAD)]
)
def test_a_counter_that_disagrees_ends_the_era(guard: Guard, counter: int, verdict: Verdict) -> None:
    guard.advance(4)
    assert guard.check(counter) is verdict
    assert not verdict.keeps_era
    assert guard.next_count(counter) > max(4, counter)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe", b'{"opens": "many"}'])
def test_an_unreadable_guard_is_no_guard(guard: Guard, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "guard").write_bytes(content)
    assert (guard.check(4), guard.check(0)) == (Verdict.UNGUARDED, Verdict.FRESH)


def test_a_database_without_its_guard_ends_the_era(guard: Guard) -> None:
    assert guard.check(4) is Verdict.UNGUARDED


def test_a_copy_with_the_same_counter_is_noticed(guard: Guard, database: Path) -> None:
    guard.advance(4)
    copy = database.with_name("copy")
    shutil.copy(database, copy)
    os.replace(copy, database)
    assert guard.check(4) is Verdict.MOVED


def test_a_copy_that_got_the_inode_of_the_file_it_replaces_is_noticed(guard: Guard, database: Path) -> None:
    copy = database.parent.with_name("copy")
    shutil.copy(database, copy)
    guard.advance(4)
    database.unlink()
    shutil.copy(copy, database)
    assert guard.check(4) is Verdict.MOVED


def test_a_mark_that_knows_no_generation_is_still_good(guard: Guard, database: Path, tmp_path: Path) -> None:
    guard.advance(4)
    mark = json.loads((tmp_path / "guard").read_bytes())
    (tmp_path / "guard").write_text(json.dumps({name: mark[name] for name in ("opens", "place", "inode")}))
    assert guard.check(4) is Verdict.SAME


def test_a_moved_data_directory_is_noticed(guard: Guard, tmp_path: Path) -> None:
    guard.advance(4)
    shutil.move(tmp_path / "ledger", tmp_path / "elsewhere")
    moved = Guard(tmp_path / "guard", tmp_path / "elsewhere" / "data.mdb")
    assert moved.check(4) is Verdict.MOVED


def test_a_guard_that_cannot_be_written_is_a_storage_error(database: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        Guard(tmp_path / "missing" / "guard", database).advance(1)


def test_a_guard_before_its_database_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="before its guard"):
        Guard(tmp_path / "guard", tmp_path / "data.mdb").advance(1)
