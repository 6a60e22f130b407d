"""A websocket hands over what came, in the pieces in which it came."""

import pytest
import trio
import trio.testing
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from mesh.transport.websocket import FRAGMENTS_MAX, WebSocketClosed, WebSocketRefused, WebSocketStream, accept, connect
from tests.transport.websockets import MESSAGE_BYTES_MAX, open_pair


def handshake() -> tuple[ClientProtocol, bytes]:
    """A foreign client, and its half of the handshake."""
    client = ClientProtocol(parse_uri("ws://a/"))
    client.send_request(client.connect())
    return client, b"".join(client.data_to_send())


async def hear(client: ClientProtocol, stream: trio.abc.Stream) -> None:
    client.receive_data(bytes(await stream.receive_some()))


async def accepted(other: trio.abc.Stream) -> WebSocketStream:
    return await accept(other, lambda offered: None, MESSAGE_BYTES_MAX)


async def test_a_message_in_one_piece_with_the_handshake_is_received_at_once() -> None:
    one, other = trio.testing.memory_stream_pair()
    client, request = handshake()
    client.state = type(client.state).OPEN
    client.send_text(b"early")
    await one.send_all(request + b"".join(client.data_to_send()))
    socket = await accepted(other)
    assert await socket.receive() == ["early"]


async def test_what_is_sent_together_is_received_together() -> None:
    async with open_pair() as (client, server):
        assert client.subprotocol == server.subprotocol == "mesh.json"
        await client.send(["a", b"b", "c"])
        assert await server.receive() == ["a", b"b", "c"]


async def test_a_message_in_fragments_is_one_message() -> None:
    one, other = trio.testing.memory_stream_pair()
    client, request = handshake()
    await one.send_all(request)
    socket = await accepted(other)
    await hear(client, one)
    euro = "\u20ac".encode()
    client.send_text(euro[:1], fin=False)
    client.send_ping(b"between")
    client.send_continuation(euro[1:], fin=True)
    await one.send_all(b"".join(client.data_to_send()))
    assert await socket.receive() == ["\u20ac"]
    await hear(client, one)
    answer = client.events_received()[-1]
    assert isinstance(answer, Frame)
    assert (answer.opcode, answer.data) == (Opcode.PONG, b"between")


@pytest.mark.parametrize(("content", "code"), [(b"\xff", 1007), (bytes(MESSAGE_BYTES_MAX + 1), 1009)])
async def test_what_breaks_a_rule_ends_the_connection(content: bytes, code: int) -> None:
    one, other = trio.testing.memory_stream_pair()
    client, request = handshake()
    await one.send_all(request)
    socket = await accepted(other)
    await hear(client, one)
    client.send_text(content)
    await one.send_all(b"".join(client.data_to_send()))
    with pytest.raises(WebSocketClosed):
        await socket.receive()
    await hear(client, one)
    assert client.close_rcvd is not None
    assert client.close_rcvd.code == code


async def test_a_message_of_endless_fragments_ends_the_connection() -> None:
    one, other = trio.testing.memory_stream_pair()
    client, request = handshake()
    await one.send_all(request)
    socket = await accepted(other)
    await hear(client, one)
    client.send_text(b"", fin=False)
    for _ in range(FRAGMENTS_MAX):
        client.send_continuation(b"", fin=False)
    await one.send_all(b"".join(client.data_to_send()))
    with pytest.raises(WebSocketClosed):
        await socket.receive()


async def test_both_ends_hear_of_the_end() -> None:
    async with open_pair() as (client, server), trio.open_nursery() as nursery:
        nursery.start_soon(server.aclose, 1001, "going")
        with pytest.raises(WebSocketClosed) as caught:
            await client.receive()
        assert caught.value.code == 1001
        with pytest.raises(WebSocketClosed):
            await client.send(["late"])


async def test_a_ping_is_answered_and_noticed(autojump_clock: trio.testing.MockClock) -> None:
    async with open_pair() as (client, server), trio.open_nursery() as nursery:
        nursery.start_soon(client.receive)
        nursery.start_soon(server.receive)
        await trio.sleep(10)
        assert server.heard_at < 1
        await server.ping()
        await trio.testing.wait_all_tasks_blocked()
        assert server.heard_at >= 10
        nursery.cancel_scope.cancel()


async def test_a_half_sent_message_is_never_followed_by_another() -> None:
    one, other = trio.testing.lockstep_stream_pair()
    async with trio.open_nursery() as nursery:
        clients: list[WebSocketStream] = []

        async def dial() -> None:
            clients.append(await connect(one, "ws://a/", "mesh.json", {}, MESSAGE_BYTES_MAX))

        nursery.start_soon(dial)
        server = await accepted(other)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as sending:
                sending.start_soon(server.send, ["cut short"])
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        with pytest.raises(WebSocketClosed):
            await server.send(["next"])
        nursery.cancel_scope.cancel()


async def test_a_server_that_speaks_no_websocket_is_said_so() -> None:
    one, other = trio.testing.memory_stream_pair()
    await other.send_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(WebSocketRefused) as caught:
        await connect(one, "ws://a/", "mesh.json", {}, MESSAGE_BYTES_MAX)
    assert caught.value.status == 503


async def test_a_request_that_is_none_is_told_so() -> None:
    one, other = trio.testing.memory_stream_pair()
    await one.send_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    with pytest.raises(WebSocketRefused):
        await accepted(other)
    assert b" 426 " in await one.receive_some()
