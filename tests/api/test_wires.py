"""A wire ends in WireClosed, whatever ended it."""

import pytest
import trio
import trio.testing
from starlette.websockets import WebSocket
from trio_websocket import wrap_client_stream, wrap_server_stream

from mesh.api.wires import CLOSE_TIMEOUT_S, AsgiWire, TrioWire, WireClosed


async def test_messages_pass_and_the_end_is_told() -> None:
    one, other = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        clients: list[TrioWire] = []

        async def dial() -> None:
            clients.append(TrioWire(await wrap_client_stream(nursery, one, "a", "/")))  # type: ignore[arg-type]

        nursery.start_soon(dial)
        request = await wrap_server_stream(nursery, other)
        server = TrioWire(await request.accept())
        await trio.testing.wait_all_tasks_blocked()
        await server.send("text")
        await server.send(b"bytes")
        assert [await clients[0].receive(), await clients[0].receive()] == ["text", b"bytes"]
        await server.close(1001, "going")
        with pytest.raises(WireClosed):
            await clients[0].receive()
        with pytest.raises(WireClosed):
            await server.send("late")
        nursery.cancel_scope.cancel()


async def test_a_client_that_answers_nothing_is_closed_in_time(autojump_clock: trio.testing.MockClock) -> None:
    one, other = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        key = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        await one.send_all(key + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        request = await wrap_server_stream(nursery, other)
        wire = TrioWire(await request.accept())
        began = trio.current_time()
        await wire.close(1001, "going")
        assert trio.current_time() - began <= CLOSE_TIMEOUT_S
        nursery.cancel_scope.cancel()


async def test_over_asgi_it_is_the_same() -> None:
    came = [{"type": "websocket.receive", "text": "a"}, {"type": "websocket.receive", "bytes": b"b"}]
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return (
            [{"type": "websocket.connect"}] if not sent else came or [{"type": "websocket.disconnect", "code": 1000}]
        ).pop(0)

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    socket = WebSocket({"type": "websocket", "headers": []}, receive, send)  # type: ignore[arg-type]
    await socket.accept()
    wire = AsgiWire(socket)
    assert [await wire.receive(), await wire.receive()] == ["a", b"b"]
    await wire.send("x")
    assert sent[-1]["text"] == "x"
    with pytest.raises(WireClosed):
        await wire.receive()
    await wire.close(1001, "late")
