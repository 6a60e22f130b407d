"""A node's ledger is checked, kept and put back; what was written since comes back from the peers.

Invariant: a node that takes a backup never again writes as the one that it was.
"""

import shutil
import sys
from pathlib import Path

import pytest
import trio

from bench.hatchery import Hatchery, hatchery
from mesh.errors import StorageError, UsageError
from mesh.runtime.backups import CARD, LEDGER, make_backup, preview_restore, restore_backup, verify_node
from mesh.runtime.node import Node
from mesh.storage.files import DATA_NAME
from tests.runtime.meshes import make_folders, put, running, until

pytestmark = pytest.mark.live
MESH = [sys.executable, "-c", "from mesh.cli import main; main()"]


async def agreed(*nodes: Node) -> None:
    await until(lambda: len({node.health().fingerprint for node in nodes}) == 1)


async def written(tmp_path: Path) -> Path:
    """The folder of a stopped node that wrote two records."""
    make_folders(tmp_path, "a")
    async with running(tmp_path, "a") as (a,):
        await put(a, "x", 1)
        await put(a, "y", 2)
    return tmp_path / "a"


def damage(file: Path, old: bytes, new: bytes) -> None:
    content = file.read_bytes()
    assert old in content
    file.write_bytes(content.replace(old, new))


async def test_a_recovered_node_writes_as_another_and_converges(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    async with running(tmp_path, "a", "b") as (a, b):
        await put(a, "old", 1)
        await agreed(a, b)
    card = make_backup(tmp_path / "a", tmp_path / "backup")
    async with running(tmp_path, "a", "b") as (a, b):
        await put(a, "after the backup", 2)
        await agreed(a, b)
        lost = a.health().fingerprint
    outlook = restore_backup(tmp_path / "backup", tmp_path / "a")
    assert [(o.common, o.gained, o.lost) for o in outlook.balances] == [(1, 0, 1)]
    assert verify_node(tmp_path / "a").fingerprint == card.fingerprint
    async with running(tmp_path, "b", "a") as (b, a):
        await until(lambda: a.health().fingerprint == lost)
        token = await put(a, "after the restore", 3)
        assert await b.wait_until_covered(token, 10.0)
        await agreed(a, b)
        assert (a.health().writers, a.health().held) == (2, 0)
    assert verify_node(tmp_path / "a").is_whole
    assert verify_node(tmp_path / "b").is_whole


async def test_a_killed_backup_leaves_nothing_that_the_next_does_not_sweep_and_never_a_half(tmp_path: Path) -> None:
    """SIGKILL as soon as there is a directory, a file in it, a file of some size, a whole copy."""
    make_folders(tmp_path, "a")
    async with running(tmp_path, "a") as (a,):
        await put(a, "x", "long " * 2000)
    kept, target = tmp_path / "kept", tmp_path / "kept" / "backup"
    async with hatchery() as hatching:
        for moment in ("", DATA_NAME, "in-use", CARD):
            await _kill_backup(hatching, tmp_path, moment)
            assert len(list(kept.glob(".backup.*"))) <= 1
            if target.exists():
                preview_restore(target, tmp_path / "a")
                target.rename(tmp_path / f"backup killed at {moment}")
        await _kill_backup(hatching, tmp_path, None)
    assert [path.name for path in kept.iterdir()] == ["backup"]
    assert preview_restore(target, tmp_path / "a").card.batches == 1
    assert "had left unfinished" in (tmp_path / "journal").read_text()


async def _kill_backup(hatching: Hatchery, place: Path, moment: str | None) -> None:
    """Begin a backup into `kept/backup`, and kill it once a file of this name is in what it makes; None: let it be."""
    kept = place / "kept"
    before = set(kept.glob(".backup.*"))
    command = ["backup", str(place / "a"), str(kept / "backup")]
    async with await trio.open_file(place / "journal", "ab") as journal:
        process = await hatching.spawn(command, journal.wrapped)
    if moment is not None:
        await until(lambda: _reached(kept, moment, before) or process.poll() is not None)
        process.kill()
    await process.wait()


def _reached(kept: Path, name: str, before: set[Path]) -> bool:
    return any((path / name).exists() for path in kept.glob(".backup.*") if path not in before)


async def test_without_its_guard_a_recovered_node_is_another_writer_too(tmp_path: Path) -> None:
    folder = await written(tmp_path)
    make_backup(folder, tmp_path / "backup")
    restore_backup(tmp_path / "backup", folder)
    (folder / "opens.json").unlink()
    async with running(tmp_path, "a") as (a,):
        await put(a, "z", 3)
        assert a.health().writers == 2


async def test_a_running_node_is_backed_up_and_refuses_the_rest(tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    target = tmp_path / "backup"
    async with running(tmp_path, "a") as (a,):
        await put(a, "x", 1)
        done = await trio.run_process([*MESH, "backup", str(tmp_path / "a"), str(target)], capture_stdout=True)
        assert a.health().fingerprint in done.stdout.decode()
        await put(a, "y", 2)
        for refused in (
            lambda: verify_node(tmp_path / "a"),
            lambda: preview_restore(target, tmp_path / "a"),
            lambda: restore_backup(target, tmp_path / "a"),
        ):
            with pytest.raises(StorageError, match="in use by process"):
                refused()
    assert [o.lost for o in preview_restore(target, tmp_path / "a").balances] == [1]


async def test_a_backup_holds_no_key_and_no_mark_of_the_nodes_life(tmp_path: Path) -> None:
    folder = await written(tmp_path)
    make_backup(folder, tmp_path / "backup")
    assert sorted(entry.name for entry in (tmp_path / "backup").iterdir()) == [CARD, DATA_NAME]
    secret = (folder / "node.key").read_bytes()[40:80]
    assert all(secret not in entry.read_bytes() for entry in (tmp_path / "backup").iterdir())
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a", "backup", "mesh"]


async def test_a_preview_changes_nothing_and_a_restore_deletes_nothing(tmp_path: Path) -> None:
    folder = await written(tmp_path)
    backup = tmp_path / "backup"
    make_backup(folder, backup)
    before = (folder / LEDGER / DATA_NAME).read_bytes()
    assert preview_restore(backup, folder).balances == []
    assert (folder / LEDGER / DATA_NAME).read_bytes() == before
    first = Path(restore_backup(backup, folder).aside)
    second = Path(restore_backup(backup, folder).aside)
    assert (first / DATA_NAME).read_bytes() == before
    assert first != second
    shutil.rmtree(folder / "data")
    assert [(o.gained, o.gained_records) for o in restore_backup(backup, folder).balances] == [(2, 2)]
    assert verify_node(folder).is_whole


async def test_a_damaged_ledger_is_named_not_backed_up_and_can_be_replaced(tmp_path: Path) -> None:
    folder = await written(tmp_path)
    make_backup(folder, tmp_path / "backup")
    damage(folder / LEDGER / DATA_NAME, b"variable", b"varjable")
    report = verify_node(folder)
    assert "varjable/x" in " ".join(map(str, report.differences))
    with pytest.raises(StorageError, match="is damaged in"):
        make_backup(folder, tmp_path / "another")
    assert not (tmp_path / "another").exists()
    (folder / LEDGER / DATA_NAME).write_bytes(b"nonsense" * 10_000)
    with pytest.raises(StorageError, match="damaged"):
        verify_node(folder)
    assert "damaged" in preview_restore(tmp_path / "backup", folder).unreadable
    assert restore_backup(tmp_path / "backup", folder).unreadable
    assert verify_node(folder).is_whole


async def test_a_changed_backup_and_one_of_another_mesh_are_refused(tmp_path: Path) -> None:
    folder = await written(tmp_path)
    backup = tmp_path / "backup"
    make_backup(folder, backup)
    with pytest.raises(UsageError, match="exists already"):
        make_backup(folder, backup)
    make_folders(tmp_path / "elsewhere", "c")
    with pytest.raises(UsageError, match="of mesh test"):
        restore_backup(backup, tmp_path / "elsewhere" / "c")
    with pytest.raises(UsageError, match="is no backup"):
        restore_backup(folder, folder)
    damage(backup / DATA_NAME, b"variable", b"varjable")
    before = sorted(entry.name for entry in (folder / "data").iterdir())
    with pytest.raises(StorageError, match="was changed"):
        restore_backup(backup, folder)
    assert sorted(entry.name for entry in (folder / "data").iterdir()) == before


def test_a_node_that_never_ran_is_told(tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    with pytest.raises(StorageError, match="never run"):
        verify_node(tmp_path / "a")
    with pytest.raises(StorageError, match="holds no database"):
        make_backup(tmp_path / "a", tmp_path / "backup")
    with pytest.raises(UsageError, match="no node folder"):
        verify_node(tmp_path / "nowhere")
