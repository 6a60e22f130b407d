"""The API of one node: everything that is no peer comes in here (DESIGN §11).

Invariant: a connection ends without harm to others, whatever it sends; at a stop every websocket hears 1001 within STOP_S.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import cast

import structlog
import trio
from starlette.websockets import WebSocket

from mesh.api import openapi
from mesh.api.connection import App, HttpServer
from mesh.api.head import Head, is_foreign_page, read_head
from mesh.api.json_input import BODY_BYTES_MAX, CODECS, JSON, Codec
from mesh.api.metrics import Metrics
from mesh.api.rest import header, make_app
from mesh.api.session import Session, Surroundings
from mesh.api.wires import AsgiWire, StreamWire, WireClosed
from mesh.api.writing import ANONYMOUS
from mesh.runtime.node import Node
from mesh.transport.prefixed import PrefixedStream
from mesh.transport.websocket import WebSocketClosed, WebSocketRefused, WebSocketStream, accept

WEBSOCKET_PATH = "/v1/ws"
HANDSHAKE_TIMEOUT_S = 5.0
PING_S = 20.0  # A client that is gone without a word is noticed within twice this time.
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
        socket: WebSocketStream | None = None
        with trio.move_on_after(HANDSHAKE_TIMEOUT_S), suppress(WebSocketRefused):
            socket = await accept(stream, _choose, BODY_BYTES_MAX)
        if socket is not None:
            await self._speak(socket, header(head.headers.get("mesh-author", "")) or ANONYMOUS)

    async def _speak(self, socket: WebSocketStream, author: str) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_ping, nursery, socket)
            with suppress(WireClosed):
                await Session(self._around, StreamWire(socket), _codec(socket.subprotocol), author).run()
            nursery.cancel_scope.cancel()

    async def _on_asgi_websocket(self, socket: WebSocket) -> None:
        """A websocket on a connection that has carried other requests before."""
        if is_foreign_page(socket.headers.get("origin"), socket.headers.get("host")):
            await socket.close()
            return
        chosen = _choose(socket.scope.get("subprotocols", []))
        await socket.accept(subprotocol=chosen)
        author = header(socket.headers.get("mesh-author", "")) or ANONYMOUS
        await Session(self._around, AsgiWire(socket), _codec(chosen), author).run()


def _choose(offered: Sequence[str]) -> str | None:
    return next((name for name in offered if name in CODECS), None)


def _codec(protocol: str | None) -> Codec:
    return CODECS[protocol] if protocol is not None else JSON


async def _ping(nursery: trio.Nursery, socket: WebSocketStream) -> None:
    """End the connection of a client that is not heard of."""
    while True:
        await trio.sleep(PING_S)
        asked = trio.current_time()
        try:
            with trio.fail_after(PING_S):
                await socket.ping()
            await trio.sleep_until(asked + PING_S)
        except (trio.TooSlowError, WebSocketClosed):
            nursery.cancel_scope.cancel()
            return
        if socket.heard_at < asked:
            nursery.cancel_scope.cancel()
            return
