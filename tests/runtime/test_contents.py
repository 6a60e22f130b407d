"""A backup is held against what a peer shows, record by record."""

from pathlib import Path

import pytest

from mesh.ids import RecordId, WriterId
from mesh.runtime.backups import make_backup
from mesh.runtime.contents import Contents, prospect, read_contents
from tests.runtime.meshes import make_folders, put, running

A, B, C = (RecordId("variable", key) for key in "abc")
MINE, OTHERS = WriterId(b"m" * 16), WriterId(b"o" * 16)


def test_what_lacks_differs_and_is_too_much_is_told_apart() -> None:
    contents = Contents({A: {"value": 1}, B: {"value": 2}}, {MINE: 3, OTHERS: 4}, (MINE,))
    found = prospect(contents, "b", {MINE: 5, OTHERS: 1}, {A: {"value": 9}, C: {"value": 3}})
    assert (found.lacking, found.own, found.ahead) == (2, 2, 3)
    assert (found.missing, found.changed, found.extra) == (("variable/c",), ("variable/a",), ("variable/b",))
    assert "variable" in contents.collections()


def test_a_peer_that_shows_the_same_has_nothing_to_add() -> None:
    found = prospect(Contents({A: {"value": 1}}, {MINE: 3}, (MINE,)), "b", {MINE: 3}, {A: {"value": 1}})
    assert (found.lacking, found.own, found.ahead) == (0, 0, 0)
    assert found.missing == found.changed == found.extra == ()


@pytest.mark.live
async def test_a_backup_is_read_with_its_position_and_its_nodes_own_writers(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    async with running(tmp_path, "a", "b") as (a, b):
        await put(a, "a", 1)
        await a.wait_until_covered(await put(b, "b", 2), 10.0)
        writer = a.loop.peer.ledger.writer
    make_backup(tmp_path / "a", tmp_path / "backup")
    contents = read_contents(tmp_path / "backup", tmp_path / "a")
    assert contents.records == {A: {"value": 1}, B: {"value": 2}}
    assert contents.own == (writer,)
    assert sorted(contents.position.values()) == [1, 1]
