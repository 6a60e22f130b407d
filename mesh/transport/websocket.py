"""Websockets (RFC 6455) over any stream of trio: the protocol of `websockets`, without its shells.

Invariant: one task reads, one sends, and nothing is lost between them: whatever came in one piece is handed over in one piece, also
what came behind the handshake, and what waits to be sent leaves in one call.

The protocol is the library's sans-IO core. Its own shell for trio sends message by message; a peer answers many at once.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias, cast

import trio
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN, Protocol
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

RECEIVE_BYTES = 64 * 1024
INVALID_TEXT = 1007  # RFC 6455 §7.4.1
FRAGMENTS_MAX = 4096  # Of one message: each costs some hundred bytes of memory, however short it is.
TOO_BIG = 1009

Message: TypeAlias = str | bytes


class WebSocketClosed(Exception):
    """The websocket is gone. `code` is the other side's, where it said one."""

    def __init__(self, code: int | None = None) -> None:
        super().__init__(f"the websocket was closed ({code})" if code is not None else "the websocket was closed")
        self.code = code


class WebSocketRefused(Exception):
    """The handshake failed. `status` is the HTTP status that came instead, if one came."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


class WebSocketStream:
    """A websocket that is open. Made by `accept` or `connect`."""

    def __init__(self, stream: trio.abc.Stream, protocol: Protocol) -> None:
        self._stream, self._protocol = stream, protocol
        self._sending = trio.Lock()
        self._parts: list[Frame] = []  # Of a message that is not complete yet.
        self._broken = False
        self.heard_at = trio.current_time()

    @property
    def subprotocol(self) -> str | None:
        """What both sides agreed to speak."""
        return self._protocol.subprotocol

    async def receive(self) -> list[Message]:
        """All messages that have come; waits for the first. Raises WebSocketClosed."""
        while True:
            messages = self._taken()
            if self._protocol.writes:
                await self._flush()
            if messages:
                return messages
            if self._protocol.state is not OPEN:
                raise self._end()
            await self._read()

    async def send(self, messages: Sequence[Message]) -> None:
        """Send messages, all in one piece. Raises WebSocketClosed; cancelled half-way, nothing can be sent any more."""
        protocol = self._protocol
        if protocol.state is not OPEN:
            raise self._end()
        for message in messages:
            if isinstance(message, str):
                protocol.send_text(message.encode())
            else:
                protocol.send_binary(message)
        await self._flush()

    async def ping(self) -> None:
        """Ask whether somebody is there; the answer moves `heard_at`. Raises WebSocketClosed."""
        if self._protocol.state is not OPEN:
            raise self._end()
        self._protocol.send_ping(b"")
        await self._flush()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Say why, wait for the answer, and close the stream. Cancelled, it closes the stream at once."""
        try:
            if self._protocol.state is OPEN:
                self._protocol.send_close(code, reason)
            await self._flush()
            while self._protocol.close_expected() and self._protocol.close_rcvd is None:
                await self._read()
                self._protocol.events_received()
        except WebSocketClosed:
            pass
        finally:
            await trio.aclose_forcefully(self._stream)

    async def _read(self) -> None:
        try:
            some = await self._stream.receive_some(RECEIVE_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            some = b""
        self.heard_at = trio.current_time()
        if some:
            self._protocol.receive_data(some)
        else:
            self._protocol.receive_eof()

    async def _flush(self) -> None:
        async with self._sending:
            waiting = b"".join(self._protocol.data_to_send())
            if self._broken:
                raise self._end()
            if not waiting:
                return
            self._broken = True
            try:
                await self._stream.send_all(waiting)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise self._end() from None
            self._broken = False

    def _taken(self) -> list[Message]:
        messages: list[Message] = []
        for event in self._protocol.events_received():
            assert isinstance(event, Frame), event
            if event.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                continue
            self._parts.append(event)
            if len(self._parts) > FRAGMENTS_MAX:
                self._protocol.fail(TOO_BIG, f"at most {FRAGMENTS_MAX} fragments were expected")
                break
            if event.fin:
                parts, self._parts = self._parts, []
                try:
                    messages.append(_whole(parts))
                except UnicodeDecodeError as error:
                    self._protocol.fail(INVALID_TEXT, f"{error.reason} at byte {error.start}")
                    break
        return messages

    def _end(self) -> WebSocketClosed:
        said = self._protocol.close_rcvd
        return WebSocketClosed(said.code if said is not None else None)


def _whole(parts: list[Frame]) -> Message:
    content = bytes(parts[0].data) if len(parts) == 1 else b"".join(bytes(part.data) for part in parts)
    return content.decode() if parts[0].opcode is Opcode.TEXT else content


Chosen: TypeAlias = Callable[[Sequence[str]], str | None]


async def accept(stream: trio.abc.Stream, choose: Chosen, message_bytes_max: int) -> WebSocketStream:
    """Answer the handshake that comes over `stream`; `choose` picks one of the subprotocols that the client offers, or none.

    Raises WebSocketRefused, when the client has been told why.
    """

    def select(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return cast(Subprotocol | None, choose(offered))

    protocol = ServerProtocol(select_subprotocol=select, max_size=message_bytes_max)
    socket = WebSocketStream(stream, protocol)
    request = await _handshake(socket, protocol)
    assert isinstance(request, Request)
    protocol.send_response(protocol.accept(request))
    await _told(socket)
    if protocol.handshake_exc is not None:
        raise WebSocketRefused(str(protocol.handshake_exc))
    return socket


async def connect(
    stream: trio.abc.Stream, url: str, subprotocol: str, headers: dict[str, str], message_bytes_max: int
) -> WebSocketStream:
    """Open a websocket at `url` (ws: or wss:) over a stream that leads there. Raises WebSocketRefused."""
    protocol = ClientProtocol(parse_uri(url), subprotocols=[cast(Subprotocol, subprotocol)], max_size=message_bytes_max)
    socket = WebSocketStream(stream, protocol)
    request = protocol.connect()
    request.headers.update(headers)
    protocol.send_request(request)
    await _told(socket)
    await _handshake(socket, protocol)
    return socket


async def _told(socket: WebSocketStream) -> None:
    try:
        await socket._flush()
    except WebSocketClosed:
        raise WebSocketRefused("the connection was closed") from None


async def _handshake(socket: WebSocketStream, protocol: ServerProtocol | ClientProtocol) -> Request | Response:
    """The other side's half of the handshake. What came behind it stays with the protocol."""
    while not protocol.events and protocol.handshake_exc is None:
        if protocol.reader.eof:
            raise WebSocketRefused("the connection was closed")
        await socket._read()
    if protocol.handshake_exc is not None:
        await _told(socket)
        failed = protocol.handshake_exc
        raise WebSocketRefused(str(failed), failed.response.status_code if isinstance(failed, InvalidStatus) else None)
    found = protocol.events.pop(0)
    assert isinstance(found, Request | Response)
    return found
