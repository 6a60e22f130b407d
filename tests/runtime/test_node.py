"""A node keeps its word: what it acknowledged is on its disk, and what it shows is durable."""

from pathlib import Path

import pytest

from mesh.crdt.view import read_record
from mesh.errors import NotFound, Refused, UsageError
from mesh.gossip.redial import Known
from mesh.ids import RecordId
from mesh.records import BuryRecord, PatchRecord, PutRecord
from mesh.runtime.node import Node
from tests.runtime.meshes import make_folders, put, running, until


def shown(node: Node, key: str) -> object:
    with node.read() as reader:
        stored = read_record(reader, RecordId("variable", key))
    return stored.fields() if stored is not None and stored.exists else None


async def test_a_write_at_one_node_is_seen_at_the_other(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    async with running(tmp_path, "a", "b") as (a, b):
        token = await put(a, "x", 7)
        assert shown(a, "x") == {"value": 7}
        assert await b.wait_until_covered(token, 10.0)
        assert shown(b, "x") == {"value": 7}
        assert a.health().fingerprint == b.health().fingerprint


async def test_a_token_that_nobody_reaches_is_waited_for_in_vain(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    async with running(tmp_path, "a") as (a,):
        ahead = await put(a, "x", 1)
    async with running(tmp_path, "b") as (b,):
        assert not await b.wait_until_covered(ahead, 0.05)


async def test_the_same_write_again_changes_nothing(tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    async with running(tmp_path, "a") as (a,):
        operations = (PutRecord(RecordId("variable", "x"), {"value": 1}),)
        assert (await a.submit(operations, "me", {})).changed
        assert not (await a.submit(operations, "me", {})).changed


async def test_a_broken_rule_is_told_and_changes_nothing(tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    async with running(tmp_path, "a") as (a,):
        before = a.health().fingerprint
        with pytest.raises(NotFound, match="no variable"):
            await a.submit((PatchRecord(RecordId("variable", "y"), {"value": 1}),), "me", {})
        with pytest.raises(UsageError):
            await a.submit((PutRecord(RecordId("unit", "A/B/C"), {"desired": "SIDEWAYS"}),), "me", {})
        await put(a, "x", 1)
        await a.submit((BuryRecord(RecordId("variable", "x")),), "me", {})
        with pytest.raises(Refused, match="buried"):
            await put(a, "x", 2)
        assert before != a.health().fingerprint


async def test_a_node_that_comes_back_goes_on_where_it_was(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    async with running(tmp_path, "a") as (a,):
        await put(a, "x", 1)
        first = a.health()
    async with running(tmp_path, "a", "b") as (a, b):
        assert shown(a, "x") == {"value": 1}
        assert a.health().writers == first.writers, "a clean restart keeps the era"
        token = await put(a, "x", 2)
        assert await b.wait_until_covered(token, 10.0)
        assert [row.boot for row in b.members() if row.name == "a"] == [2]


async def test_a_board_is_seen_by_others_with_its_age(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    async with running(tmp_path, "a", "b") as (a, b):
        a.publish("unit/A/B/C", {"state": "START"})
        await until(lambda: len(b.state("unit/")) == 1)
        (row,) = b.state("unit/")
        assert (row.topic, row.owner, row.reachable, row.value) == ("unit/A/B/C", "a", True, {"state": "START"})
        assert 0 <= row.age_s < 20
        a.publish("unit/A/B/C", None)
        await until(lambda: not b.state("unit/"))


async def test_a_node_that_leaves_is_known_to_have_left(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    async with running(tmp_path, "a") as (a,):
        async with running(tmp_path, "b") as (b,):
            a.loop.tell(Known(b.address))
            await until(lambda: a.health().reachable == 2)
            b.publish("node", {"x": 1})
            await until(lambda: len(a.state("node")) == 1)
        await until(lambda: {row.name: row.standing for row in a.members()}["b"] == "left")
        (row,) = a.state("node")
        assert not row.reachable, "what a node that left said last is never shown as current"
