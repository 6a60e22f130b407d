"""Three real processes, real files, real sockets, and SIGKILL."""

from pathlib import Path
from random import Random

import pytest
import trio

from bench.durability import kill_cycles
from bench.hatchery import hatchery
from mesh.client.client import MeshClient
from mesh.demo.processes import PeerProcess, peers, seeds_for
from mesh.demo.readings import wait_for_agreement, wait_for_everybody

PATIENCE_S = 60.0

pytestmark = pytest.mark.live


async def test_a_killed_peer_is_noticed_and_comes_back_with_everything(tmp_path: Path) -> None:
    async with (
        hatchery() as hatching,
        peers(tmp_path, ["a", "b", "c"], hatching.spawn) as (a, b, c),
        MeshClient([a.url]) as at_a,
        MeshClient([b.url]) as at_b,
    ):
        clients = {"a": at_a, "b": at_b}
        assert await wait_for_everybody(clients, 3, PATIENCE_S)
        async with MeshClient([c.url]) as at_c:
            receipt = await at_c.put("variable", "written/at/c", {"value": 1})
            c.kill()
        with trio.fail_after(PATIENCE_S):
            while await standing(at_a, "c") != "down" or await standing(at_b, "c") != "down":
                await trio.sleep(0.05)
        await at_a.put("variable", "written/meanwhile", {"value": 2})
        await c.start(seeds_for(c, [a, b]))
        async with MeshClient([c.url]) as at_c:
            clients["c"] = at_c
            assert await wait_for_everybody(clients, 3, PATIENCE_S)
            assert await wait_for_agreement(clients)
            for client in clients.values():
                record = await client.get("variable", "written/at/c", after=receipt.token)
                assert record.value == {"value": 1}
                assert (await client.get("variable", "written/meanwhile")).value == {"value": 2}


async def standing(client: MeshClient, name: str) -> str:
    return next(row.standing for row in await client.members() if row.name == name)


async def test_a_few_kills_during_writes_lose_nothing(tmp_path: Path) -> None:
    lives, checker = await kill_cycles(tmp_path, 5, PATIENCE_S, Random(7))
    assert checker.acknowledged, "nothing was written, so nothing was tested"
    assert (checker.lost, lives.failed_starts, lives.half_backups) == ([], [], 0)


async def test_a_peer_that_is_told_to_stop_leaves_properly(tmp_path: Path) -> None:
    async with peers(tmp_path, ["a", "b"]) as (a, b), MeshClient([a.url]) as at_a:
        assert await wait_for_everybody({"a": at_a}, 2, PATIENCE_S)
        await b.stop()
        with trio.fail_after(PATIENCE_S):
            while await standing(at_a, "b") != "left":
                await trio.sleep(0.05)
        assert isinstance(b, PeerProcess)
