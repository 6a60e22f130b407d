"""Who reaches whom, asked at any peer: what each says on its own board, laid side by side."""

from pathlib import Path

import pytest
from msgspec import to_builtins

from mesh.client.client import MeshClient
from mesh.errors import NotFound
from mesh.runtime.reach import REACH_TOPIC, Reach
from mesh.runtime.rows import PathFault
from tests.api.serving import attended, client_of
from tests.cli.test_main import Shell
from tests.runtime.meshes import make_folders, running, until

pytestmark = pytest.mark.live


async def test_a_fault_that_goes_one_way_is_told_by_every_door(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_folders(tmp_path, "ada", "bob", "eve")
    async with running(tmp_path, "ada", "bob", "eve") as (ada, bob, _), attended(ada):
        ada.publish(REACH_TOPIC, to_builtins(Reach({"eve": 1}, ["bob"], ["bob"])))
        bob.publish(REACH_TOPIC, to_builtins(Reach({"eve": 2}, ["ada"])))
        await until(lambda: len(ada.state(REACH_TOPIC)) == 2)
        async with MeshClient([ada.url]) as client, client_of(ada) as http:
            found = await client.reach()
            assert (found.members, found.said) == (3, 2)
            assert [(row.name, row.said, row.reached) for row in found.items] == [
                ("ada", True, {"eve": 1}),
                ("bob", True, {"eve": 2}),
                ("eve", False, {}),
            ]
            assert found.faults == [PathFault("ada", "bob", "one-way")]
            assert (await http.get("/v1/reach?member=eve")).json()["faults"] == []
            with pytest.raises(NotFound, match="mallory"):
                await client.reach("mallory")
        shell = Shell(ada.url, capsys)
        table, said = await shell.run("reach")
        assert "ada -> bob: nothing arrives; bob -> ada arrives: the fault goes one way" in table
        assert ("LOST" in table, "arrives" in table, "1 ms" in table) == (True, True, True)
        assert "1 fault between 3 members" in said
        table, _ = await shell.run("reach", "eve")
        assert "LOST" not in table
