"""The keeper runs exactly the units that the configuration gives to its node."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import msgspec
import trio

from mesh.events import Received
from mesh.ids import Boot, RecordId
from mesh.messages import Gossip, SignedClaim
from mesh.records import BuryRecord, PatchRecord, PutRecord
from mesh.runtime.node import Node
from mesh.runtime.trust import KeyTrust
from mesh.units.keeper import Keeper
from mesh.units.simulated import SimulatedDriver
from tests.runtime.meshes import make_folders, running, until

UNIT = RecordId("unit", "LINAC/MAGNET/Q1")


@asynccontextmanager
async def kept(node: Node) -> AsyncIterator[Keeper]:
    keeper = Keeper(node, SimulatedDriver, Random(1))
    async with trio.open_nursery() as nursery:
        await nursery.start(keeper.run)
        yield keeper
        nursery.cancel_scope.cancel()


def states(node: Node) -> dict[str, str]:
    return {row.topic: row.value["state"] for row in node.state("unit/") if isinstance(row.value, dict)}


async def write(node: Node, *operations: PutRecord | PatchRecord | BuryRecord) -> None:
    await node.submit(operations, "test", {})


async def test_a_unit_given_to_this_node_is_started_and_seen_elsewhere(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    async with running(tmp_path, "a", "b") as (a, b), kept(a):
        await write(b, PutRecord(UNIT, {"host": "a", "desired": "START"}))
        await until(lambda: states(b) == {"unit/LINAC/MAGNET/Q1": "START"})


async def test_a_unit_moves_to_another_node_and_is_buried(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    async with running(tmp_path, "a", "b") as (a, b), kept(a), kept(b):
        await write(a, PutRecord(UNIT, {"host": "a", "desired": "START"}))
        await until(lambda: [row.owner for row in b.state("unit/")] == ["a"])
        await write(a, PatchRecord(UNIT, {"host": "b"}))
        await until(lambda: [row.owner for row in a.state("unit/")] == ["b"])
        await write(a, BuryRecord(UNIT))
        await until(lambda: not a.state("unit/"))


async def test_a_node_that_stands_back_for_a_copy_of_its_disk_ends_its_units(tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    async with running(tmp_path, "a") as (a,), kept(a) as keeper:
        await write(a, PutRecord(UNIT, {"host": "a", "desired": "START"}))
        await until(lambda: states(a) == {"unit/LINAC/MAGNET/Q1": "START"})
        a.loop.tell(Received(a.identity.node, a.address, Gossip((of_a_copy(a),))))
        await until(lambda: keeper.host.status() == {})


def of_a_copy(node: Node) -> SignedClaim:
    """What another life of a node says that has heard of this one, and outranks it."""
    own = node.loop.peer.roster.own.claim
    above = msgspec.structs.replace(own, boot=Boot(own.boot.count + 1, 5), over=(own.boot.noise,))
    body = msgspec.msgpack.encode(above)
    return SignedClaim(body, KeyTrust(node.identity).sign(body))


async def test_a_restarted_node_takes_up_its_units_with_a_higher_run_id(tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    async with running(tmp_path, "a") as (a,), kept(a):
        await write(a, PutRecord(UNIT, {"host": "a", "desired": "START"}))
        await until(lambda: states(a) == {"unit/LINAC/MAGNET/Q1": "START"})
        await until(lambda: run_id(a) == 1)
    async with running(tmp_path, "a") as (a,), kept(a):
        await until(lambda: run_id(a) == 2)


def run_id(node: Node) -> int:
    return max((row.value["run_id"] for row in node.state("unit/") if isinstance(row.value, dict)), default=0)


async def test_a_changed_template_reaches_the_units_made_from_it(tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    template = RecordId("template", "Supply")
    async with running(tmp_path, "a") as (a,), kept(a) as keeper:
        await write(
            a, PutRecord(template, {"implementation": "Old"}), PutRecord(UNIT, {"host": "a", "template": "Supply"})
        )
        await until(lambda: bool(keeper.host.status()))
        await write(a, PatchRecord(template, {"implementation": "New"}))
        await write(a, PatchRecord(UNIT, {"desired": "INIT"}))
        await until(lambda: states(a) == {"unit/LINAC/MAGNET/Q1": "INIT"})
