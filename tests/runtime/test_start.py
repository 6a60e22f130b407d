"""Start-up notices copies and restored databases, and what cannot be used ends in a sentence."""

import shutil
from pathlib import Path

import pytest

from mesh.errors import StorageError, UsageError
from mesh.runtime.node import Options
from mesh.runtime.start import open_node
from tests.runtime.meshes import make_folders, put, running, until


async def test_a_restored_database_opens_a_new_era_and_loses_nothing(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    async with running(tmp_path, "a", "b") as (a, b):
        await put(a, "old", 1)
        await until(lambda: a.health().fingerprint == b.health().fingerprint)
    shutil.copytree(tmp_path / "a" / "data", tmp_path / "backup")
    async with running(tmp_path, "a", "b") as (a, b):
        token = await put(a, "after the backup", 2)
        assert await b.wait_until_covered(token, 10.0)
    shutil.rmtree(tmp_path / "a" / "data")
    shutil.copytree(tmp_path / "backup", tmp_path / "a" / "data")
    async with running(tmp_path, "b", "a") as (b, a):
        token = await put(a, "after the restore", 3)
        assert await b.wait_until_covered(token, 10.0)
        await until(lambda: a.health().fingerprint == b.health().fingerprint)
        assert a.health().writers == 2, "the restored node writes under a new identity"
        assert a.health().held == 0


async def test_one_folder_is_used_by_one_process(tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    async with open_node(tmp_path / "a", Options()):
        with pytest.raises(StorageError, match="in use"):
            async with open_node(tmp_path / "a", Options()):
                pass


async def test_a_taken_port_is_told(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    async with open_node(tmp_path / "a", Options()) as a:
        with pytest.raises(UsageError, match=str(a.address.port)):
            async with open_node(tmp_path / "b", Options(port=a.address.port)):
                pass
        async with open_node(tmp_path / "b", Options()):
            pass  # What failed gave its files back.


async def test_a_folder_without_a_node_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mesh"):
        async with open_node(tmp_path / "nowhere", Options()):
            pass
