"""One connection: answers find their questions, and the end of it is told to everyone."""

from pathlib import Path

import pytest
import trio

from mesh.client.faults import CannotConnect
from mesh.client.link import Dialling, Link, LinkLost, run_link
from mesh.errors import NotFound
from tests.api.serving import attended, ends
from tests.runtime.meshes import make_folders, running

pytestmark = pytest.mark.live


async def open_link(nursery: trio.Nursery, url: str) -> Link:
    link = await nursery.start(run_link, Dialling(url, "eva", 5.0, None))
    assert isinstance(link, Link), link
    return link


async def test_many_questions_at_once_get_their_own_answers(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada")
    async with running(tmp_path, "ada") as (ada,), attended(ada), trio.open_nursery() as nursery:
        link = await open_link(nursery, ada.url)
        wrong: list[int] = []

        async def ask(number: int) -> None:
            params: dict[str, object] = {"collection": "variable", "key": f"k{number}", "value": {"value": number}}
            await link.ask("records.put", params)
            got = await link.ask("records.get", {"collection": "variable", "key": f"k{number}"})
            wrong.extend([number] if f'"value":{{"value":{number}}}'.encode() not in got else [])

        async with trio.open_nursery() as askers:
            for number in range(100):
                askers.start_soon(ask, number)
        assert wrong == []
        with pytest.raises(NotFound):
            await link.ask("records.get", {"collection": "variable", "key": "none"})
        nursery.cancel_scope.cancel()


async def test_the_end_is_told_to_who_waits_and_who_watches(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada")
    async with running(tmp_path, "ada") as (ada,), attended(ada) as service, trio.open_nursery() as nursery:
        link = await open_link(nursery, ada.url)
        events = link.events(99)
        await ends(ada, service)
        await link.lost.wait()
        with pytest.raises(trio.EndOfChannel):
            await events.receive()
        with pytest.raises(LinkLost) as caught:
            await link.ask("health.get", {})
        assert not caught.value.sent
        refused = await nursery.start(run_link, Dialling(ada.url, "eva", 5.0, None))
        assert isinstance(refused, CannotConnect)
        assert "HTTP 503" in str(refused)
