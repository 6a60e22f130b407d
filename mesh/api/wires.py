"""The seam between a session and whatever carries its websocket.

Invariant: a send ends within SEND_TIMEOUT_S; a client that does not read loses its connection, not the peer its memory.
"""

from collections.abc import Sequence
from typing import Protocol

import trio
from starlette.websockets import WebSocket, WebSocketDisconnect

from mesh.transport.websocket import Message, WebSocketClosed, WebSocketStream

SEND_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 0.5  # How long the closing handshake may take before the connection is cut.


class WireClosed(Exception):
    """The websocket is gone."""


class Wire(Protocol):
    """Messages to and from one client."""

    async def receive(self) -> Sequence[Message]:
        """What has come since it was last asked, at least one message. Raises WireClosed."""
        ...

    async def send(self, messages: Sequence[Message]) -> None:
        """Send messages. Raises WireClosed, also where the client does not take them in time."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Say why, and close. Never takes longer than CLOSE_TIMEOUT_S."""
        ...


class StreamWire:
    """A websocket on a connection of its own."""

    def __init__(self, socket: WebSocketStream) -> None:
        self._socket = socket

    async def receive(self) -> Sequence[Message]:
        try:
            return await self._socket.receive()
        except WebSocketClosed:
            raise WireClosed from None

    async def send(self, messages: Sequence[Message]) -> None:
        try:
            with trio.fail_after(SEND_TIMEOUT_S):
                await self._socket.send(messages)
        except (WebSocketClosed, trio.TooSlowError):
            raise WireClosed from None

    async def close(self, code: int, reason: str) -> None:
        with trio.CancelScope(shield=True), trio.move_on_after(CLOSE_TIMEOUT_S):
            await self._socket.aclose(code, reason)


class AsgiWire:
    """A websocket that came over a kept-alive HTTP connection, where hypercorn already speaks.

    Browsers open a connection of their own for a websocket; clients with a pool may not.
    """

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def receive(self) -> Sequence[Message]:
        message = await self._socket.receive()
        if message["type"] != "websocket.receive":
            raise WireClosed
        text: str | bytes | None = message.get("text")
        raw: bytes = message.get("bytes") or b""
        return [raw if text is None else text]

    async def send(self, messages: Sequence[Message]) -> None:
        try:
            with trio.fail_after(SEND_TIMEOUT_S):
                for message in messages:
                    await self._send(message)
        except (WebSocketDisconnect, RuntimeError, OSError, trio.TooSlowError, trio.ClosedResourceError):
            raise WireClosed from None

    async def _send(self, message: Message) -> None:
        if isinstance(message, str):
            await self._socket.send_text(message)
        else:
            await self._socket.send_bytes(message)

    async def close(self, code: int, reason: str) -> None:
        with trio.CancelScope(shield=True), trio.move_on_after(CLOSE_TIMEOUT_S):
            try:
                await self._socket.close(code, reason)
            except (RuntimeError, OSError, trio.ClosedResourceError):
                return
