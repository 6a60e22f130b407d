"""Conflicts are listed at every peer, and one write at one of them settles them everywhere."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mesh.client import MeshClient
from mesh.errors import Refused, Unmet, UsageError
from mesh.runtime.node import Node
from tests.api.serving import attended, client_of, one_node
from tests.runtime.meshes import make_folders, put, running, until

pytestmark = pytest.mark.live


@asynccontextmanager
async def disagreeing(place: Path) -> AsyncIterator[tuple[Node, Node]]:
    """Two nodes that wrote three variables while they did not know of each other; ada has an API."""
    make_folders(place, "ada", "bob")
    for name, value in (("ada", 1), ("bob", 2)):
        async with running(place, name) as (alone,):
            for key in ("x", "y", "z"):
                await put(alone, key, value)
            await put(alone, "same", 0)
    async with running(place, "ada", "bob") as (ada, bob), attended(ada):
        await until(lambda: ada.health().fingerprint == bob.health().fingerprint)
        yield ada, bob


async def test_conflicts_are_listed_in_pages_over_all_collections(tmp_path: Path) -> None:
    async with disagreeing(tmp_path) as (ada, _), client_of(ada) as http, MeshClient([ada.url]) as client:
        await http.put("/v1/records/unit/A", json={"desired": "START"})
        page = (await http.get("/v1/conflicts", params={"collection": "variable", "prefix": "x"})).json()
        (row,) = page["items"]
        assert (row["collection"], row["key"], row["late"], page["next"]) == ("variable", "x", [], None)
        (conflict,) = row["conflicts"]
        assert conflict["field"] == "value"
        said = [(one["value"], one["shown"], one["peer"], one["author"]) for one in conflict["values"]]
        assert said == [(2, True, "bob", "test"), (1, False, "ada", "test")]
        first = (await http.get("/v1/conflicts?limit=2")).json()
        rest = (await http.get("/v1/conflicts", params={"limit": 2, "after_key": first["next"]})).json()
        assert [one["key"] for one in first["items"] + rest["items"]] == ["x", "y", "z"]
        assert [one.key for one in await client.conflicts(limit=1)] == ["x", "y", "z"]
        assert await client.conflicts("unit") == []


async def test_a_settlement_names_all_and_reaches_every_peer(tmp_path: Path) -> None:
    async with disagreeing(tmp_path) as (ada, bob), MeshClient([ada.url], author="eva") as client:
        for key, index in (("x", 0), ("y", 1)):
            (row,) = await client.conflicts("variable", prefix=key)
            wanted = row.conflicts[0].values[index]
            assert (
                await client.take(
                    ("variable", key, "value"), wanted.dot, seen=row.conflicts[0].version, reason="measured"
                )
            ).changed
            record = await client.get("variable", key)
            assert (record.value, record.conflicts, record.changed.author) == ({"value": wanted.value}, [], "eva")
        (row,) = await client.conflicts("variable", prefix="z")
        seen = [value.dot for value in row.conflicts[0].values]
        with pytest.raises(Unmet) as unmet:
            await client.settle(("variable", "z", "value"), 7, seen=seen[:1])
        assert {one["dot"] for one in unmet.value.details["there"]} == set(seen)
        await client.settle(("variable", "z", "value"), 7, seen=seen)
        assert (await client.get("variable", "z")).value == {"value": 7}
        assert await client.conflicts() == []
        async with attended(bob), MeshClient([bob.url]) as at_bob:
            await until(lambda: ada.health().fingerprint == bob.health().fingerprint)
            assert await at_bob.conflicts() == []
            assert (await at_bob.get("variable", "x")).value == {"value": 2}


async def test_what_cannot_be_settled_is_refused(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (ada, http), MeshClient([ada.url]) as client:
        await put(ada, "x", 1)
        with pytest.raises(Refused, match="not in conflict"):
            await client.settle(("variable", "x", "value"), 2, seen="any")
        with pytest.raises(UsageError, match="either"):
            await client.take(("variable", "x", "value"), "", seen="any")
        assert (await http.get("/v1/conflicts?prefix=x")).status_code == 422
        both = await http.post(
            "/v1/resolve/variable/x", json={"field": "value", "seen": "any", "take": "a.1", "value": 1}
        )
        assert (both.status_code, both.json()["kind"]) == (400, "invalid")
        settled = await http.post("/v1/resolve/variable/x", json={"field": "value", "seen": "any", "value": None})
        unseen = await http.post("/v1/resolve/variable/x", json={"field": "value", "value": None})
        assert (unseen.status_code, "seen" in unseen.json()["detail"]) == (400, True)
        assert (settled.status_code, settled.json()["kind"]) == (409, "refused")


async def test_an_edit_made_while_a_record_was_buried_is_listed(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "bob")
    async with running(tmp_path, "ada", "bob") as (ada, bob):
        await put(ada, "x", 1)
        await until(lambda: ada.health().fingerprint == bob.health().fingerprint)
    async with running(tmp_path, "ada") as (ada,), attended(ada), MeshClient([ada.url], author="eva") as client:
        await client.bury("variable", "x")
    async with running(tmp_path, "bob") as (bob,):
        await put(bob, "x", 5)
    async with running(tmp_path, "ada", "bob") as (ada, bob), attended(ada), MeshClient([ada.url]) as client:
        await until(lambda: ada.health().fingerprint == bob.health().fingerprint)
        (row,) = await client.conflicts()
        assert [(late.field, late.value, late.peer) for late in row.late] == [("value", 5, "bob")]
        assert [bury.author for bury in row.buries] == ["eva"]
        await client.restore("variable", "x")
        assert await client.conflicts() == []
        assert (await client.get("variable", "x")).value == {"value": 5}
