"""A wire ends in WireClosed, whatever ended it."""

import pytest
import trio
import trio.testing
from starlette.websockets import WebSocket

from mesh.api.wires import CLOSE_TIMEOUT_S, AsgiWire, StreamWire, WireClosed
from tests.transport.websockets import open_pair


async def test_messages_pass_and_the_end_is_told() -> None:
    async with open_pair() as (client, server):
        here, there = StreamWire(client), StreamWire(server)
        await there.send(["text", b"bytes"])
        assert list(await here.receive()) == ["text", b"bytes"]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(there.close, 1001, "going")
            with pytest.raises(WireClosed):
                await here.receive()
        with pytest.raises(WireClosed):
            await there.send(["late"])


async def test_a_client_that_answers_nothing_is_closed_in_time(autojump_clock: trio.testing.MockClock) -> None:
    async with open_pair() as (_, server):
        began = trio.current_time()
        await StreamWire(server).close(1001, "going")
        assert trio.current_time() - began <= CLOSE_TIMEOUT_S


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
    assert [await wire.receive(), await wire.receive()] == [["a"], [b"b"]]
    await wire.send(["x", b"y"])
    assert (sent[-2]["text"], sent[-1]["bytes"]) == ("x", b"y")
    with pytest.raises(WireClosed):
        await wire.receive()
    await wire.close(1001, "late")
