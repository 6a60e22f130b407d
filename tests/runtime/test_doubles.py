"""Two real processes on copies of one disk: one stands back and says so, the other goes on and says where the copy runs."""

import shutil
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from bench.hatchery import hatchery
from mesh.client.client import MeshClient
from mesh.demo.processes import PeerProcess
from mesh.errors import Refused
from tests.runtime.meshes import make_folders

PATIENCE_S = 60.0
UNIT = "LINAC/MAGNET/Q1"

pytestmark = pytest.mark.live


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    with trio.fail_after(PATIENCE_S):
        while not await condition():
            await trio.sleep(0.05)


async def copied_at(client: MeshClient, name: str) -> str:
    return next((row.copied for row in await client.members() if row.name == name), "")


async def test_a_copied_folder_that_runs_beside_the_original_stands_back(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    async with AsyncExitStack() as stack:
        hatching = await stack.enter_async_context(hatchery())
        peers = {name: PeerProcess(tmp_path / name, name, hatching.spawn) for name in ("a", "b", "copy")}
        for peer in peers.values():
            stack.push_async_callback(peer.stop)

        async def start(name: str, *seeds: str) -> MeshClient:
            await peers[name].start([ready.address for seed in seeds if (ready := peers[seed].ready) is not None])
            return await stack.enter_async_context(MeshClient([peers[name].url], author="eva"))

        a, b = await start("a"), await start("b", "a")
        await a.put("unit", UNIT, {"host": "a", "desired": "START"})
        shutil.copytree(tmp_path / "a", tmp_path / "copy")
        copy = await start("copy", "b")
        await until(lambda: _is_copied(copy))
        with pytest.raises(Refused, match="this node's disk was copied") as refused:
            await copy.put("variable", "x", {"value": 1})
        assert "start this one again" in refused.value.todo
        assert (await copy.get("unit", UNIT)).value["host"] == "a"
        assert (await copied_at(copy, "a")).startswith("stands back for ")
        await until(lambda: _names_the_copy(a))
        await until(lambda: _names_the_copy(b))
        assert (await a.put("variable", "x", {"value": 2})).changed
        assert [row.owner for row in await b.state("unit/")] == ["a"]
        await peers["a"].stop()
        await peers["copy"].stop()
        again = await start("copy", "b")
        assert (await again.put("variable", "x", {"value": 3})).changed
        assert (await again.health()).copied == ""


async def _is_copied(client: MeshClient) -> bool:
    return "stands back" in (await client.health()).copied


async def _names_the_copy(client: MeshClient) -> bool:
    return (await copied_at(client, "a")).startswith("copy at ")
