"""One port for requests, websockets and the page; a stop is told to everyone on it."""

import json
from pathlib import Path

import httpx2
import msgspec
import pytest
import trio
from httpx2.websockets import WebSocketDisconnect, WebSocketUpgradeError

from mesh.api.service import Service
from tests.api.serving import client_of, one_node, rpc_of
from tests.runtime.meshes import make_folders, running

pytestmark = pytest.mark.live
HANDSHAKE = (
    b"GET /v1/ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def test_messagepack_by_subprotocol(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, _), rpc_of(node, "mesh.msgpack") as rpc:
        assert rpc.socket.subprotocol == "mesh.msgpack"
        await rpc.socket.send_bytes(msgspec.msgpack.encode({"jsonrpc": "2.0", "id": 1, "method": "health.get"}))
        assert msgspec.msgpack.decode(await rpc.socket.receive_bytes())["result"]["name"] == "ada"


async def test_a_websocket_after_other_requests_on_one_connection(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, http):
        assert (await http.get("/v1/health")).status_code == 200  # The pool keeps this connection.
        async with http.websocket(node.url.replace("http", "ws") + "/v1/ws") as socket:
            await socket.send_text(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "health.get"}))
            assert json.loads(await socket.receive_text())["result"]["name"] == "ada"


async def test_a_page_of_another_site_gets_no_websocket(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, _), client_of(node) as fresh:
        url = node.url.replace("http", "ws") + "/v1/ws"
        with pytest.raises((WebSocketUpgradeError, WebSocketDisconnect, httpx2.HTTPError)):
            async with fresh.websocket(url, headers={"Origin": "https://evil.example"}):
                pass


async def test_a_stop_is_told_with_1001(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada")
    stopping = trio.CancelScope()

    async def run(service: Service, *, task_status: trio.TaskStatus[None]) -> None:
        with stopping:
            await service.run(task_status)

    async with running(tmp_path, "ada") as (ada,), trio.open_nursery() as nursery:
        service = Service(ada)
        ada.on_http = service.on_http
        await nursery.start(run, service)
        async with rpc_of(ada) as rpc:
            await rpc.call("watch.open", kind="members")
            await rpc.events_until("SYNC")
            stopping.cancel()
            with trio.fail_after(10), pytest.raises(WebSocketDisconnect) as caught:
                await rpc.hear()
            assert caught.value.code == 1001


async def test_a_message_over_the_limit_closes_the_websocket(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, _), rpc_of(node) as rpc:
        await rpc.socket.send_text("x" * 1_100_000)
        with pytest.raises(WebSocketDisconnect) as caught:
            await rpc.hear()
        assert caught.value.code == 1009


@pytest.mark.parametrize(
    "pieces",
    [
        [b"nonsense\r\n\r\n"],
        [b"GET / HTTP/9\r\n\r\n"],
        [HANDSHAKE[:60] + b"\r\n\r\n"],
        [HANDSHAKE, b"\xff" * 20],
        [HANDSHAKE, b"\x81\xff"],
        [b"PUT /v1/records/unit/x HTTP/1.1\r\nHost: a\r\nContent-Length: nine\r\n\r\n"],
    ],
)
async def test_nonsense_ends_its_own_connection_only(tmp_path: Path, pieces: list[bytes]) -> None:
    async with one_node(tmp_path) as (node, http):
        async with await trio.open_tcp_stream(node.address.host, node.address.port) as stream:
            said = b""
            for piece in pieces:
                await stream.send_all(piece)
                said += await stream.receive_some() if piece == HANDSHAKE else b""
            await stream.send_eof()
            while some := await stream.receive_some():
                said += some
        assert b"Traceback" not in said
        assert (await http.get("/v1/health")).status_code == 200
