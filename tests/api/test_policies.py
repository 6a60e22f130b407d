"""A policy set at one peer chooses what every peer shows, from the next read on, in every answer alike."""

from pathlib import Path

import pytest

from mesh.client import MeshClient
from mesh.errors import NotFound, UsageError
from tests.api.serving import attended, client_of, one_node, rpc_of
from tests.api.test_conflicts import disagreeing
from tests.runtime.meshes import until

pytestmark = pytest.mark.live


async def test_a_policy_is_the_same_rule_in_every_answer_of_every_peer(tmp_path: Path) -> None:
    async with (
        disagreeing(tmp_path) as (ada, bob),
        attended(bob),
        MeshClient([ada.url], author="eva") as client,
        MeshClient([bob.url]) as at_bob,
    ):
        await client.patch("variable", "x", {"owner": "ada"})
        await client.set_policy("all", {"rule": "owner-only", "collection": "variable"})
        token = (await client.set_policy("y", {"rule": "ask", "collection": "variable", "prefix": "y"})).token
        for peer in (client, at_bob):
            x, y, z = [await peer.get("variable", key, after=token) for key in "xyz"]
            assert (x.value, y.value, z.value) == ({"value": 1, "owner": "ada"}, {}, {"value": 2})
            assert [one.conflicts[0].policy for one in (x, y, z)] == ["owner-only", "ask", "owner-only"]
            assert [one.conflicts[0].withheld for one in (x, y, z)] == [False, True, False]
            assert [one.conflicts[0].mark for one in (x, z)] == ["", "the record names no owner"]
            assert [[v.shown for v in one.conflicts[0].values] for one in (x, y)] == [[True, False], [False, False]]
            listed = {record.key: record.value for record in await peer.records("variable")}
            assert (listed["x"], listed["y"]) == (x.value, {})
            (row,) = await peer.conflicts("variable", prefix="y")
            assert (row.conflicts[0].policy, row.conflicts[0].withheld) == ("ask", True)
            assert row.conflicts[0].version == y.conflicts[0].version
            assert [(line.field, line.value) for line in (await peer.blame("variable", "x")).items][-1] == ("value", 1)
            assert [row.name for row in await peer.policies()] == ["y", "all", ""]
            found = await peer.explain_policy("variable", "y", "value")
            assert ([one.name for one in found.policies], found.standing) == (["y", "all", ""], "withheld")
            assert sorted(value.value for value in found.values) == [1, 2]
        (row,) = await client.conflicts("variable", prefix="y")
        await client.settle(("variable", "y", "value"), 7, seen=row.conflicts[0].version)
        assert (await client.get("variable", "y")).value == {"value": 7}
        assert (await client.explain_policy("variable", "y", "value")).standing == "settled"
        assert (await client.explain_policy("variable", "nowhere", "value")).standing == "nothing"


async def test_watchers_hear_of_what_a_policy_shows(tmp_path: Path) -> None:
    async with disagreeing(tmp_path) as (ada, _), MeshClient([ada.url]) as client, rpc_of(ada) as rpc:
        watch = (await rpc.call("watch.open", collection="variable"))["watch"]
        told = await rpc.events_until("SYNC")
        held = {event["key"]: event["value"] for event in told if event["type"] == "SNAPSHOT"}
        assert held["x"] == {"value": 2}
        token = told[-1]["token"]
        await client.set_policy("x", {"rule": "ask", "collection": "variable", "prefix": "x"})
        while held["x"] != {}:
            event = await rpc.event()
            held[event["key"]] = event["value"]
        shown = {record.key: record.value for record in await client.records("variable")}
        assert held == shown
        await rpc.call("watch.close", watch=watch)
        await rpc.call("watch.open", collection="variable", resume=token)
        again = await rpc.events_until("SYNC")
        assert ("x", {}) in [(event.get("key"), event.get("value")) for event in again]


async def test_a_policy_is_checked_as_it_is_written_and_ends_when_it_is_buried(tmp_path: Path) -> None:
    async with disagreeing(tmp_path) as (ada, bob), MeshClient([ada.url]) as client, client_of(ada) as http:
        with pytest.raises(UsageError) as refused:
            await client.set_policy("x", {"rule": "vote"})
        assert "owner-only" in refused.value.rule
        await client.set_policy("x", {"rule": "ask"})
        assert (await http.get("/v1/records/variable/x")).json()["value"] == {}
        explained = (await http.get("/v1/policies/variable/x", params={"field": "value"})).json()
        assert (explained["standing"], explained["policies"][0]["rule"]) == ("withheld", "ask")
        assert len((await http.get("/v1/policies")).json()["items"]) == 2
        await client.bury("policy", "x")
        assert (await http.get("/v1/records/variable/x")).json()["value"] == {"value": 2}
        await until(lambda: ada.health().fingerprint == bob.health().fingerprint)


async def test_what_is_not_there_is_not_withheld(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (ada, _), MeshClient([ada.url]) as client:
        await client.set_policy("x", {"rule": "ask"})
        with pytest.raises(NotFound):
            await client.get("variable", "x")
