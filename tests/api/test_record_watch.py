"""A watch tells everything once: folding its events gives what the peer shows."""

from pathlib import Path

import pytest
import trio

from mesh.api.record_watch import RecordWatch
from mesh.api.shapes import OpenWatch, WatchEvent
from mesh.ids import RecordId
from mesh.records import BuryRecord, PutRecord
from mesh.runtime.node import Node
from tests.api.serving import attended, one_node, rpc_of
from tests.runtime.meshes import make_folders, put, running, until

pytestmark = pytest.mark.live


def kinds(events: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(event["type"], event.get("key", "")) for event in events]


async def test_snapshot_then_sync_then_each_batch(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, _), rpc_of(node) as rpc:
        await put(node, "b", 1)
        await rpc.call("watch.open", collection="variable")
        assert kinds(await rpc.events_until("SYNC")) == [("SNAPSHOT", "b"), ("SYNC", "")]
        await put(node, "a", 1)
        await put(node, "b", 2)
        await put(node, "b", 2)  # Nothing changes, so nothing is told.
        await node.submit((BuryRecord(RecordId("variable", "a")),), "eva", {"reason": "old"})
        created, updated, removed = [await rpc.event() for _ in range(3)]
        assert kinds([created, updated, removed]) == [("CREATE", "a"), ("UPDATE", "b"), ("REMOVE", "a")]
        assert (updated["value"], updated["changed"]) == ({"value": 2}, ["value"])
        assert (removed["author"], removed["reason"], "value" in removed) == ("eva", "old", False)
        assert removed["token"] == node.token()


async def test_only_the_last_event_of_a_batch_has_a_token(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, _), rpc_of(node) as rpc:
        await rpc.call("watch.open", collection="variable", prefix="x/")
        await rpc.events_until("SYNC")
        ops = tuple(PutRecord(RecordId("variable", key), {"value": 1}) for key in ("x/1", "y", "x/2"))
        await node.submit(ops, "eva", {})
        events = [await rpc.event(), await rpc.event()]
        assert [(event["key"], "token" in event) for event in events] == [("x/1", False), ("x/2", True)]


async def test_a_watch_resumes_at_another_peer_with_what_is_newer(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "bob")
    async with running(tmp_path, "ada", "bob") as (ada, bob), attended(ada), attended(bob):
        for key in ("kept", "gone", "changed"):
            await put(ada, key, 1)
        async with rpc_of(ada) as rpc:
            await rpc.call("watch.open", collection="variable")
            token = (await rpc.events_until("SYNC"))[-1]["token"]
        await put(ada, "changed", 2)
        await put(ada, "new", 1)
        await ada.submit((BuryRecord(RecordId("variable", "gone")),), "eva", {})
        assert await bob.wait_until_covered(ada.token(), 20)
        async with rpc_of(bob) as rpc:
            await rpc.call("watch.open", collection="variable", resume=token, timeout_s=20)
            events = await rpc.events_until("SYNC")
            expected = [("SNAPSHOT", "changed"), ("SNAPSHOT", "new"), ("REMOVE", "gone"), ("SYNC", "")]
            assert kinds(events) == expected
            await put(ada, "kept", 2)
            assert kinds([await rpc.event()]) == [("UPDATE", "kept")]


async def test_a_peer_that_is_behind_the_token_says_so(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "bob")
    async with running(tmp_path, "ada") as (ada,):
        token = await put(ada, "x", 1)
    async with running(tmp_path, "bob") as (bob,), attended(bob), rpc_of(bob) as rpc:
        error = (await rpc.ask("watch.open", collection="variable", resume=token, timeout_s=0.05))["error"]
        assert isinstance(error, dict)
        assert error["data"]["kind"] == "behind"


class Watcher:
    """A watcher that may stand still."""

    def __init__(self) -> None:
        self.told: list[WatchEvent] = []
        self.reads = trio.Event()

    async def tell(self, event: WatchEvent) -> None:
        self.told.append(event)
        await self.reads.wait()


async def test_a_slow_watcher_is_told_and_dropped_and_misses_nothing_when_it_resumes(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, _), trio.open_nursery() as nursery:
        watcher = Watcher()
        watch = RecordWatch(1, node, watcher.tell, OpenWatch(collection="variable"))
        nursery.start_soon(watch.run)
        await until(lambda: bool(watcher.told))  # It stands in its SYNC.
        for number in range(1_100):  # One after the other: what shares a sync of the disk is announced as one.
            await put(node, f"k{number}", number)
        watcher.reads.set()
        await until(lambda: watcher.told[-1].type == "CLOSED")
        assert len(watcher.told) < 1_100
        assert watcher.told[-1].token != node.token()
        await put(node, "late", 1)
        assert fold({}, watcher.told) != shown(node)
        again = Watcher()
        again.reads.set()
        params = OpenWatch(collection="variable", resume=watcher.told[-1].token)
        nursery.start_soon(RecordWatch(2, node, again.tell, params).run)
        await until(lambda: any(event.type == "SYNC" for event in again.told))
        assert fold(fold({}, watcher.told), again.told) == shown(node)
        nursery.cancel_scope.cancel()


def fold(held: dict[str, object], events: list[WatchEvent]) -> dict[str, object]:
    for event in events:
        if event.type == "REMOVE":
            held.pop(event.key)
        elif event.key:
            held[event.key] = event.value
    return held


def shown(node: Node) -> dict[str, object]:
    from mesh.crdt.view import scan_records

    with node.read() as reader:
        return {r.record.key: r.fields() for r in scan_records(reader, "variable") if r.exists}


async def test_what_is_written_while_the_snapshot_is_sent_is_told_too(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, _), trio.open_nursery() as nursery:
        for number in range(50):
            await put(node, f"k{number:02}", 0)
        watcher = Watcher()
        nursery.start_soon(RecordWatch(1, node, watcher.tell, OpenWatch(collection="variable")).run)
        await until(lambda: bool(watcher.told))
        await put(node, "k00", 1)
        await put(node, "zz", 1)
        await node.submit((BuryRecord(RecordId("variable", "k01")),), "eva", {})
        watcher.reads.set()
        await until(lambda: watcher.told[-1].token == node.token())
        assert fold({}, watcher.told) == shown(node)
        nursery.cancel_scope.cancel()
