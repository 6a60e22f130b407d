"""What was read can be read again, and hypercorn and the websocket finds what they ask a stream for."""

import pytest
import trio

from mesh.transport.prefixed import PrefixedStream

pytestmark = pytest.mark.live


async def pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    one, other = trio.socket.socketpair()
    return trio.SocketStream(one), trio.SocketStream(other)


async def test_bytes_put_back_come_first_and_once() -> None:
    near, far = await pair()
    async with near, far:
        stream = PrefixedStream(near, b"GET ")
        await far.send_all(b"HTTP/1.1")
        assert await stream.receive_some(2) == b"GE"
        stream.put_back(b"GE")
        assert await stream.receive_some() == b"GET "
        assert await stream.receive_some() == b"HTTP/1.1"


async def test_the_rest_is_the_streams_own() -> None:
    near, far = await pair()
    async with PrefixedStream(near) as stream, far:
        assert isinstance(stream, trio.abc.HalfCloseableStream)
        assert stream.socket is near.socket
        assert not stream.secure
        await stream.wait_send_all_might_not_block()
        await stream.send_all(b"answer")
        await stream.send_eof()
        assert [await far.receive_some(), await far.receive_some()] == [b"answer", b""]
        await far.send_all(b"more")
        assert await stream.receive_some() == b"more"
    with pytest.raises(trio.ClosedResourceError):
        await near.send_all(b"x")


def test_plaintext_looks_like_plaintext_to_hypercorn() -> None:
    assert not hasattr(PrefixedStream, "do_handshake")
