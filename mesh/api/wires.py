"""The seam between a session and whatever carries its websocket.

Invariant: a send ends within SEND_TIMEOUT_S; a client that does not read loses its connection, not the peer its memory.
"""

from typing import Protocol

import trio
from starlette.websockets import WebSocket, WebSocketDisconnect
from trio_websocket import ConnectionClosed, WebSocketConnection

SEND_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 0.5  # How long the closing handshake may take before the connection is cut.


class WireClosed(Exception):
    """The websocket is gone."""


class Wire(Protocol):
    """Messages to and from one client."""

    async def receive(self) -> str | bytes:
        """The next message. Raises WireClosed."""
        ...

    async def send(self, message: str | bytes) -> None:
        """Send one message. Raises WireClosed, also where the client does not take it in time."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Say why, and close. Never takes longer than CLOSE_TIMEOUT_S."""
        ...


class TrioWire:
    """A websocket of trio-websocket."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self._connection = connection

    async def receive(self) -> str | bytes:
        try:
            message: str | bytes = await self._connection.get_message()
        except ConnectionClosed:
            raise WireClosed from None
        return message

    async def send(self, message: str | bytes) -> None:
        try:
            with trio.fail_after(SEND_TIMEOUT_S):
                await self._connection.send_message(message)
        except (ConnectionClosed, trio.TooSlowError, trio.BrokenResourceError, trio.ClosedResourceError):
            raise WireClosed from None

    async def close(self, code: int, reason: str) -> None:
        with trio.CancelScope(shield=True), trio.move_on_after(CLOSE_TIMEOUT_S):
            await self._connection.aclose(code, reason)


class AsgiWire:
    """A websocket that came over a kept-alive HTTP connection, where hypercorn already speaks.

    Browsers open a connection of their own for a websocket; clients with a pool may not.
    """

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def receive(self) -> str | bytes:
        message = await self._socket.receive()
        if message["type"] != "websocket.receive":
            raise WireClosed
        text: str | bytes | None = message.get("text")
        raw: bytes = message.get("bytes") or b""
        return raw if text is None else text

    async def send(self, message: str | bytes) -> None:
        try:
            with trio.fail_after(SEND_TIMEOUT_S):
                await (
                    self._socket.send_text(message) if isinstance(message, str) else self._socket.send_bytes(message)
                )
        except (WebSocketDisconnect, RuntimeError, OSError, trio.TooSlowError, trio.ClosedResourceError):
            raise WireClosed from None

    async def close(self, code: int, reason: str) -> None:
        with trio.CancelScope(shield=True), trio.move_on_after(CLOSE_TIMEOUT_S):
            try:
                await self._socket.close(code, reason)
            except (RuntimeError, OSError, trio.ClosedResourceError):
                return
