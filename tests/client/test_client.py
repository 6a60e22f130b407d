"""A client of a mesh outlives any one peer, and never writes twice by itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from mesh.client import CannotConnect, MeshClient, OutcomeUnknown
from mesh.errors import NotFound, Refused, UsageError
from mesh.runtime.node import Node
from tests.api.serving import attended, ends
from tests.runtime.meshes import make_folders, running

pytestmark = pytest.mark.live
NOBODY = "http://127.0.0.1:1"


@asynccontextmanager
async def one(place: Path) -> AsyncIterator[tuple[Node, MeshClient]]:
    make_folders(place, "ada")
    async with running(place, "ada") as (ada,), attended(ada), MeshClient([ada.url], author="eva") as client:
        yield ada, client


async def test_what_is_written_is_read(tmp_path: Path) -> None:
    async with one(tmp_path) as (ada, client):
        receipt = await client.put("unit", "A/B/C", {"desired": "START"}, reason="why")
        await client.patch("unit", "A/B/C", {"labels": {"zone": "A"}})
        record = await client.get("unit", "A/B/C", after=receipt.token)
        assert (record.value, record.changed.author) == ({"desired": "START", "labels": {"zone": "A"}}, "eva")
        assert [row.key for row in await client.records("unit", labels={"zone": "A"})] == ["A/B/C"]
        await client.bury("unit", "A/B/C")
        with pytest.raises(NotFound, match="buried") as caught:
            await client.get("unit", "A/B/C")
        assert "restore" in caught.value.todo
        await client.restore("unit", "A/B/C")
        ops = [{"op": "bury", "collection": "unit", "key": "A/B/C"}]
        assert (await client.submit(ops)).changed
        with pytest.raises(Refused):
            await client.put("unit", "A/B/C", {"desired": "STOP"})
        assert [row.name for row in await client.members()] == ["ada"]
        assert (await client.health()).name == ada.name
        assert await client.state("node") == []
        assert await client.call("members.list") != {}


async def test_pages_are_put_together(tmp_path: Path) -> None:
    async with one(tmp_path) as (_, client):
        ops = [{"op": "put", "collection": "variable", "key": f"k{n:03}", "value": {"value": n}} for n in range(150)]
        await client.submit(ops)
        assert [record.value["value"] for record in await client.records("variable", limit=40)] == list(range(150))


async def test_an_exception_of_the_body_passes_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with MeshClient([NOBODY]):
            raise ZeroDivisionError


async def test_where_nobody_answers_each_peer_is_named() -> None:
    async with MeshClient([NOBODY, "http://127.0.0.1:2"]) as client:
        with pytest.raises(CannotConnect, match=r"127\.0\.0\.1:1: Connection refused; .*127\.0\.0\.1:2"):
            await client.members()


@pytest.mark.parametrize("url", ["ftp://x", "nonsense", "http://"])
async def test_what_is_no_url_is_explained(url: str) -> None:
    async with MeshClient([url]) as client:
        with pytest.raises(CannotConnect, match="a URL such as"):
            await client.members()
    with pytest.raises(UsageError):
        MeshClient([])


async def test_a_peer_that_says_nothing_is_given_up() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
    async with listener, MeshClient([url], timeout_s=0.05) as client:
        with pytest.raises(CannotConnect, match=r"no answer within 0\.05 s"):
            await client.members()


async def test_something_else_behind_the_port_is_explained() -> None:
    async def refuse(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, refuse, [listener])
        async with MeshClient([url]) as client:
            with pytest.raises(CannotConnect, match="HTTP 404"):
                await client.members()
        nursery.cancel_scope.cancel()


async def test_reads_go_on_at_the_next_peer(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "bob")
    async with (
        running(tmp_path, "ada", "bob") as (ada, bob),
        attended(ada) as first,
        attended(bob),
        MeshClient([NOBODY, ada.url, bob.url]) as client,
    ):
        assert (await client.health()).name == "ada"
        await ends(ada, first)
        assert (await client.health()).name == "bob"


async def test_a_write_whose_answer_is_lost_is_not_repeated(tmp_path: Path) -> None:
    """A peer in between takes the request and goes away; the second peer must not hear of it."""
    async with one(tmp_path) as (ada, _):
        host, port = ada.address.host, ada.address.port

        async def cut(near: trio.SocketStream) -> None:
            far = await trio.open_tcp_stream(host, port)
            await far.send_all(await near.receive_some())
            await near.send_all(await far.receive_some())
            await near.receive_some()  # The write; it goes no further.

        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, cut, [listener])
            async with MeshClient([url, ada.url]) as client:
                with pytest.raises(OutcomeUnknown, match=r"records\.put was sent.*not known"):
                    await client.put("variable", "x", {"value": 1})
                with pytest.raises(NotFound):
                    await client.get("variable", "x")
            nursery.cancel_scope.cancel()
