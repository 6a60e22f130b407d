"""A page that is damaged under a running node is found by another process, told once, and mended by the next start."""

from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from mesh.config import StorageConfig
from mesh.effects import Emit
from mesh.runtime.backups import LEDGER
from mesh.runtime.node import Node
from mesh.runtime.pages import walk_elsewhere
from mesh.storage.files import DATA_NAME
from tests.runtime.meshes import PATIENCE_S, QUICK, make_folders, put, running, until

PAGE = 4096
WATCHFUL = replace(QUICK, storage=StorageConfig(page_walk_interval_s=0.05))

pytestmark = pytest.mark.live


def spoil_a_page(file: Path, number: int) -> None:
    """Give a page another number than its own, under the open map."""
    with open(file, "r+b") as writing:
        writing.seek(number * PAGE)
        writing.write(b"\xff" * 8)


def disk_of(node: Node, name: str) -> str:
    return next(row.storage for row in node.members() if row.name == name)


async def test_a_page_damaged_under_a_running_node_is_told_and_the_next_start_mends_it(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    async with running(tmp_path, "b", "a", config=WATCHFUL) as (b, a):
        for number in range(20):
            await put(a, f"x {number}", number)
        await until(lambda: a.health().fingerprint == b.health().fingerprint)
        whole = a.health().fingerprint
        assert a.health().storage == "ok"
        with a.listen(kinds=(Emit,)) as heard:
            for number in range(2, (tmp_path / "a" / LEDGER / DATA_NAME).stat().st_size // PAGE):
                spoil_a_page(tmp_path / "a" / LEDGER / DATA_NAME, number)
            await until(lambda: a.damaged_page != "")
            with trio.fail_after(PATIENCE_S):
                while not isinstance(said := await heard.receive(), Emit) or said.name != "storage.damaged":
                    continue
        assert said.about["reason"] == a.damaged_page
        assert "Start this node again soon" in a.damaged_page
        await until(lambda: disk_of(b, "a") == "damaged")
    async with running(tmp_path, "b", "a") as (b, a):
        assert any("had a damaged page" in note for note in a.notes)
        await until(lambda: a.health().fingerprint == whole)
        assert a.health().storage == "ok"
        a.publish("node", {"as": "its next life"})
        await until(lambda: disk_of(b, "a") == "")


async def test_a_file_in_use_is_walked_while_it_is_written_and_nothing_is_found(tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    async with running(tmp_path, "a") as (a,):
        for number in range(30):
            await put(a, f"x {number % 7}", "long " * 300)
        assert await walk_elsewhere(tmp_path / "a" / LEDGER) == ""
        assert a.health().readers <= 1
