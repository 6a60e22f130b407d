"""Watches of state and members begin with what there is, and tell what changes."""

from pathlib import Path

import pytest

from tests.api.serving import attended, one_node, rpc_of
from tests.runtime.meshes import make_folders, running, until

pytestmark = pytest.mark.live
TOPIC = "unit/A/B/C"


async def test_state_is_told_as_it_changes(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, http), rpc_of(node) as rpc:
        node.publish(TOPIC, {"healthy": True})
        await until(lambda: len(node.state()) == 1)
        await rpc.call("watch.open", kind="state", prefix="unit/")
        snapshot, sync = await rpc.events_until("SYNC")
        assert (snapshot["key"], snapshot["owner"], sync["type"]) == (TOPIC, node.identity.node.hex(), "SYNC")
        await http.put("/v1/records/unit/A/B/C", json={"desired": "START"})
        wanted = await rpc.event()
        assert isinstance(wanted["value"], dict)
        assert (wanted["type"], wanted["value"]["enabled"], wanted["value"]["healthy"]) == ("UPDATE", True, True)
        node.publish(TOPIC, {"healthy": False})
        ill = await rpc.event()
        assert isinstance(ill["value"], dict)
        assert (ill["value"]["enabled"], ill["value"]["healthy"], ill["value"]["reachable"]) == (True, False, True)
        node.publish(TOPIC, None)
        assert (await rpc.event())["type"] == "REMOVE"


async def test_when_an_owner_goes_its_rows_say_so(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "bob")
    async with running(tmp_path, "ada") as (ada,), attended(ada), rpc_of(ada) as rpc:
        async with running(tmp_path, "bob") as (bob,):
            await rpc.call("watch.open", kind="members")
            await rpc.call("watch.open", kind="state")
            for _ in range(2):
                await rpc.events_until("SYNC")
            ada.loop.tell(known(bob.address))
            bob.publish(TOPIC, {"healthy": True})
            came = await rpc.event()
            while came.get("key") != TOPIC:
                came = await rpc.event()
            assert reachable(came)
        while came.get("key") != TOPIC or reachable(came):
            came = await rpc.event()
        assert isinstance(came["value"], dict)
        assert (came["value"]["standing"], came["value"]["value"]) == ("left", {"healthy": True})


def known(address: object) -> object:
    from mesh.gossip.redial import Known

    return Known(address)  # type: ignore[arg-type]


def reachable(event: dict[str, object]) -> bool:
    assert isinstance(event["value"], dict)
    return bool(event["value"]["reachable"])
