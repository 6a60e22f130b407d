"""What the demonstration counts is what the peer says."""

from pathlib import Path
from random import Random

import trio

from mesh.client.client import MeshClient
from mesh.demo.readings import (
    count_moving,
    read_peer,
    record_keys,
    state_of,
    unit_rows,
    wait_for_agreement,
    wait_for_everybody,
)
from mesh.units.keeper import Keeper
from mesh.units.simulated import SimulatedDriver
from tests.api.serving import attended, two_peers
from tests.runtime.meshes import make_folders, running


async def test_units_are_counted_by_state_and_seen_to_move(tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    async with (
        running(tmp_path, "a") as (a,),
        attended(a),
        MeshClient([a.url]) as client,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(Keeper(a, SimulatedDriver, Random(1)).run)
        await client.put("unit", "LINAC/MAGNET/Q1", {"host": "a", "desired": "START"})
        await client.put("unit", "LINAC/MAGNET/Q2", {"host": "a", "desired": "INIT"})
        while [state_of(row) for row in await unit_rows(client)] != ["START", "INIT"]:
            await trio.sleep(0.02)
        assert await record_keys(client, "unit") == ["LINAC/MAGNET/Q1", "LINAC/MAGNET/Q2"]
        reading = await read_peer("a", client)
        assert (reading.alive, reading.states, reading.batches) == (1, {"START": 1, "INIT": 1}, 2)
        with trio.move_on_after(4.0):  # The second never moves, so counting goes on until its bound.
            await count_moving(client)
        nursery.cancel_scope.cancel()


async def test_peers_that_agree_are_found_to_agree(tmp_path: Path) -> None:
    async with two_peers(tmp_path) as (at_a, at_b):
        clients = {"a": at_a, "b": at_b}
        await at_a.put("variable", "x", {"value": 1})
        assert await wait_for_everybody(clients, 2, 10.0)
        assert await wait_for_agreement(clients)
        assert not await wait_for_everybody(clients, 3, 0.05)
