"""The API of one node: everything that is no peer comes in here (DESIGN §11).

Invariant: a connection ends without harm to others, whatever it sends; at a stop every websocket hears 1001 within STOP_S.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import cast

import structlog
import trio
from starlette.websockets import WebSocket
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from mesh.api import openapi
from mesh.api.connection import App, HttpServer
from mesh.api.head import Head, is_foreign_page, read_head
from mesh.api.json_input import BODY_BYTES_MAX, CODECS, JSON
from mesh.api.metrics import Metrics
from mesh.api.rest import header, make_app
from mesh.api.session import Session, Surroundings
from mesh.api.wires import AsgiWire, TrioWire, WireClosed
from mesh.api.writing import ANONYMOUS
from mesh.runtime.node import Node
from mesh.transport.prefixed import PrefixedStream

WEBSOCKET_PATH = "/v1/ws"
HANDSHAKE_TIMEOUT_S = 5.0
PING_S = 20.0  # A client that is gone without a word is noticed within twice this time.
RECEIVE_BYTES = 64 * 1024
QUEUE_MAX = 16  # Messages of one client that wait to be read.
STOP_S = 1.0

_FOREIGN = b"this websocket is for the peer's own page and for programs"
_FORBIDDEN = (
    b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_FOREIGN), _FOREIGN)
)


def _log(fault: str) -> None:
    structlog.get_logger("mesh.api").error("api.fault", reason=fault)


class Service:
    """Answers clients of a node. `on_fault` hears, in a sentence, of our own mistakes; clients never see them."""

    def __init__(self, node: Node, on_fault: Callable[[str], None] = _log) -> None:
        self._stopping = trio.Event()
        self.metrics = Metrics(node)
        self._around = Surroundings(node, self.metrics, on_fault, self._stopping)
        self._http = HttpServer(cast(App, make_app(self._around, openapi.document, self._on_asgi_websocket)))
        self._open: dict[trio.Event, None] = {}

    async def on_http(self, stream: PrefixedStream, certificate: bytes | None) -> None:
        """Serve one connection until it ends (mesh.transport.listener.OnHttp)."""
        with self._counted():
            head = await read_head(stream)
            if head is None:
                return
            if head.wants_websocket and head.path == WEBSOCKET_PATH:
                await self._serve_websocket(stream, head)
            else:
                await self._http.serve(stream, certificate)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Stay until cancelled; then `stop`. It ends before the node does, so that websockets still hear of it."""
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await self.stop()

    async def stop(self) -> None:
        """Close websockets with 1001 and let requests under way end, for at most STOP_S."""
        self._stopping.set()
        await self._http.stop()
        with trio.move_on_after(STOP_S):
            for done in list(self._open):
                await done.wait()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        done = trio.Event()
        self._open[done] = None
        try:
            yield
        finally:
            del self._open[done]
            done.set()

    async def _serve_websocket(self, stream: PrefixedStream, head: Head) -> None:
        if is_foreign_page(head.headers.get("origin"), head.headers.get("host")):
            await stream.send_all(_FORBIDDEN)
            return
        async with trio.open_nursery() as nursery:
            with suppress(ConnectionClosed, WireClosed):
                await self._speak(nursery, stream, header(head.headers.get("mesh-author", "")))
            nursery.cancel_scope.cancel()

    async def _speak(self, nursery: trio.Nursery, stream: PrefixedStream, author: str) -> None:
        with trio.move_on_after(HANDSHAKE_TIMEOUT_S) as shaking:
            request = await wrap_server_stream(nursery, stream, QUEUE_MAX, BODY_BYTES_MAX, RECEIVE_BYTES)
            offered = [name for name in request.proposed_subprotocols if name in CODECS]
            connection = await request.accept(subprotocol=offered[0] if offered else None)
        if not shaking.cancelled_caught:
            nursery.start_soon(_ping, nursery, connection)
            codec = CODECS[offered[0]] if offered else JSON
            await Session(self._around, TrioWire(connection), codec, author or ANONYMOUS).run()

    async def _on_asgi_websocket(self, socket: WebSocket) -> None:
        """A websocket on a connection that has carried other requests before."""
        if is_foreign_page(socket.headers.get("origin"), socket.headers.get("host")):
            await socket.close()
            return
        offered = [name for name in socket.scope.get("subprotocols", []) if name in CODECS]
        await socket.accept(subprotocol=offered[0] if offered else None)
        codec = CODECS[offered[0]] if offered else JSON
        author = header(socket.headers.get("mesh-author", "")) or ANONYMOUS
        await Session(self._around, AsgiWire(socket), codec, author).run()


async def _ping(nursery: trio.Nursery, connection: WebSocketConnection) -> None:
    """End the connection when the client does not answer."""
    while True:
        await trio.sleep(PING_S)
        try:
            with trio.fail_after(PING_S):
                await connection.ping()
        except (trio.TooSlowError, ConnectionClosed):
            nursery.cancel_scope.cancel()
            return
