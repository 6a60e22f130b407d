"""Two ends of one websocket, over memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
import trio.testing

from mesh.transport.websocket import WebSocketStream, accept, connect

MESSAGE_BYTES_MAX = 1_000


@asynccontextmanager
async def open_pair() -> AsyncIterator[tuple[WebSocketStream, WebSocketStream]]:
    """The client's end and the server's."""
    one, other = trio.testing.memory_stream_pair()
    ends: list[WebSocketStream] = []

    async def serve() -> None:
        ends.append(await accept(other, lambda offered: offered[0] if offered else None, MESSAGE_BYTES_MAX))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        client = await connect(one, "ws://a/", "mesh.json", {}, MESSAGE_BYTES_MAX)
    yield client, ends[0]
    await trio.aclose_forcefully(one)
    await trio.aclose_forcefully(other)
