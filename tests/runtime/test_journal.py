"""The journal writes a line for what happens, at the level that it deserves."""

import json
from pathlib import Path

import pytest
import trio

from mesh.crdt.damage import Damaged
from mesh.crdt.replica import Table
from mesh.runtime.journal import keep_journal
from tests.runtime.meshes import make_folders, running, until

pytestmark = pytest.mark.live


async def test_damage_is_an_error_and_its_repair_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folders(tmp_path, "a")
    said: list[dict[str, str]] = []

    def heard() -> bool:
        said.extend(json.loads(line) for line in capsys.readouterr().err.splitlines())
        return {"storage.damaged", "storage.mended"} <= {line["event"] for line in said}

    async with running(tmp_path, "a") as (a,), trio.open_nursery() as nursery:
        nursery.start_soon(keep_journal, a)
        await trio.testing.wait_all_tasks_blocked()
        a.loop.tell(Damaged(Table.CONTEXT, b"a writer of none"))
        await until(heard)
        nursery.cancel_scope.cancel()
    levels = {line["event"]: line["level"] for line in said}
    assert (levels["storage.damaged"], levels["storage.mended"]) == ("error", "warning")
    assert {line["node"] for line in said} == {"a"}
