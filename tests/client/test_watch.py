"""A watch goes on at another peer: nothing missed, and a RESET where it has to begin anew."""

from pathlib import Path

import pytest
import trio

from mesh.client import Event, MeshClient
from mesh.client.watch import Watch
from tests.api.serving import attended, ends
from tests.runtime.meshes import make_folders, put, running

pytestmark = pytest.mark.live


async def until(watch: Watch, kind: str) -> list[Event]:
    events: list[Event] = []
    with trio.fail_after(20):
        while not events or events[-1].type != kind:
            events.append(await anext(watch))
    return events


def told(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.type, event.key) for event in events]


async def test_a_watch_of_records_resumes_at_another_peer(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "bob")
    async with running(tmp_path, "ada", "bob") as (ada, bob), attended(ada) as first, attended(bob):
        await put(ada, "x", 1)
        async with MeshClient([ada.url, bob.url]) as client, client.watch("variable") as watch:
            assert told(await until(watch, "SYNC")) == [("SNAPSHOT", "x"), ("SYNC", "")]
            await ends(ada, first)
            token = await put(ada, "y", 1)
            assert await bob.wait_until_covered(token, 20)
            assert told(await until(watch, "SYNC")) == [("SNAPSHOT", "y"), ("SYNC", "")]
            assert client.url == bob.url
            await put(bob, "x", 2)
            assert told(await until(watch, "UPDATE")) == [("UPDATE", "x")]


async def test_a_watch_of_members_begins_anew_at_another_peer(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "bob")
    async with (
        running(tmp_path, "ada", "bob") as (ada, bob),
        attended(ada) as first,
        attended(bob),
        MeshClient([ada.url, bob.url]) as client,
        client.watch(kind="members") as watch,
    ):
        assert len(await until(watch, "SYNC")) == 3
        await ends(ada, first)
        again = await until(watch, "SYNC")
        assert again[0].type == "RESET"
        assert len(again) == 4


async def test_a_closed_watch_leaves_nothing_behind(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada")
    async with running(tmp_path, "ada") as (ada,), attended(ada) as service, MeshClient([ada.url]) as client:
        async with client.watch("variable") as watch:
            await until(watch, "SYNC")
        await client.health()
        assert "mesh_api_watchers 0.0" in service.metrics.render().decode()
