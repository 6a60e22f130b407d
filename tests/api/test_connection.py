"""One test for each fault of hypercorn 0.18 that our connection mends; where one passes without the mending, remove both."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import httpx2
import pytest
import trio
import trio.testing
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from mesh.api.connection import App, HttpServer
from mesh.ids import Address
from mesh.runtime.identity import Identity, create_mesh, create_node, server_context
from mesh.transport.prefixed import PrefixedStream, PrefixedTlsStream

pytestmark = pytest.mark.live
HOST = "127.0.0.1"
FLOOD = b"x" * 65536
REQUEST = b"GET /flood HTTP/1.1\r\nHost: a\r\n\r\n"


async def tls_of(request: Request) -> JSONResponse:
    return JSONResponse(request.scope["extensions"].get("tls"))


async def flood(request: Request) -> StreamingResponse:
    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield FLOOD

    return StreamingResponse(chunks())


APP = cast(App, Starlette(routes=[Route("/tls", tls_of), Route("/flood", flood)]))


@asynccontextmanager
async def serving(server: HttpServer, identity: Identity | None = None) -> AsyncIterator[tuple[Address, trio.Event]]:
    """A listener for `server`; the event is set when a connection has ended."""
    ended = trio.Event()

    async def serve(plain: trio.SocketStream) -> None:
        try:
            if identity is None:
                return await server.serve(PrefixedStream(plain), None)
            tls = trio.SSLStream(plain, server_context(identity), server_side=True, https_compatible=True)
            await tls.do_handshake()
            stream = PrefixedTlsStream(tls)
            await server.serve(stream, stream.getpeercert())
        finally:
            ended.set()
            await trio.aclose_forcefully(plain)

    (listener,) = await trio.open_tcp_listeners(0, host=HOST)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        with trio.fail_after(20):
            yield Address(HOST, listener.socket.getsockname()[1]), ended
        nursery.cancel_scope.cancel()


async def stuck_client(address: Address) -> trio.SocketStream:
    """A client that asks for more than its window holds, and reads the first bytes only."""
    stream = await trio.open_tcp_stream(address.host, address.port)
    await stream.send_all(REQUEST)
    assert await stream.receive_some(16)
    return stream


async def test_a_client_that_does_not_read_cannot_hold_up_a_cancellation() -> None:
    with trio.fail_after(10):
        async with serving(HttpServer(APP)) as (address, ended):
            client = await stuck_client(address)
            await trio.testing.wait_all_tasks_blocked(0.3)  # The server stands in its send.
            assert not ended.is_set()
        assert ended.is_set()
        await client.aclose()


async def test_a_client_that_does_not_read_loses_its_connection() -> None:
    async with serving(HttpServer(APP, write_timeout_s=0.05)) as (address, ended):
        client = await stuck_client(address)
        await ended.wait()
        await client.aclose()


def client_context(identity: Identity, show: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=identity.ca_der)
    if show:
        context.load_cert_chain(identity.folder / "node.pem", identity.folder / "node.key")
    return context


@pytest.mark.parametrize("show", [True, False])
async def test_the_clients_certificate_reaches_the_application(tmp_path: Path, show: bool) -> None:
    create_mesh(tmp_path / "mesh", "test")
    ada = create_node(tmp_path / "ada", "ada", tmp_path / "mesh")
    async with (
        serving(HttpServer(APP), ada) as (address, _),
        httpx2.AsyncClient(verify=client_context(ada, show), trust_env=False) as http,
    ):
        told = (await http.get(f"https://{address}/tls")).json()
    if not show:
        assert told is None
    else:
        assert told["client_cert_chain"] == [ssl.DER_cert_to_PEM_cert(ada.certificate_der)]
        assert "ada" in told["client_cert_name"]
