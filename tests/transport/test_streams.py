"""Two members get a stream with both names on it; nobody else gets one, and hears why."""

import ssl
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trio.testing

from mesh.errors import MalformedMessage, UsageError
from mesh.ids import Address
from mesh.runtime.identity import Identity, client_context, server_context
from mesh.runtime.trust import KeyTrust
from mesh.transport.errors import ConnectFailed, StreamBroken
from mesh.transport.streams import FRAME_BYTES_MAX, FramedStream, PeerStream, accept, connect

HOST = "127.0.0.1"
Nodes = dict[str, Identity]


def frames() -> tuple[FramedStream, FramedStream]:
    one, other = trio.testing.memory_stream_pair()
    return FramedStream(one), FramedStream(other)


async def test_frames_arrive_one_by_one() -> None:
    near, far = frames()
    sent = [b"", b"a", bytes(100_000), b"last"]
    for frame in sent:
        await near.send(frame)
    await near.aclose()
    assert [await far.receive() for _ in sent] == sent
    assert await far.receive() is None


async def test_frames_may_come_in_any_pieces() -> None:
    one, other = trio.testing.memory_stream_pair()
    far = FramedStream(other)
    got: list[bytes | None] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(collect, far, got)
        for byte in b"\0\0\0\3abc\0\0\0\0\0\0\0\1d":
            await one.send_all(bytes([byte]))
            await trio.testing.wait_all_tasks_blocked()
        await one.aclose()
    assert got == [b"abc", b"", b"d"]


async def collect(stream: FramedStream, got: list[bytes | None]) -> None:
    while (frame := await stream.receive()) is not None:
        got.append(frame)


async def test_a_long_frame_is_refused_before_memory_is_set_aside() -> None:
    one, other = trio.testing.memory_stream_pair()
    await one.send_all((FRAME_BYTES_MAX + 1).to_bytes(4, "big") + b"begin")
    tracemalloc.start()
    with pytest.raises(MalformedMessage, match="4194304 bytes at most, announced were 4194305"):
        await FramedStream(other).receive()
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


async def test_the_longest_frame_arrives() -> None:
    near, far = frames()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(near.send, bytes(FRAME_BYTES_MAX))
        assert await far.receive() == bytes(FRAME_BYTES_MAX)


async def test_our_own_long_frame_is_refused_and_harms_nothing() -> None:
    near, far = frames()
    with pytest.raises(UsageError, match="frame too long"):
        await near.send(bytes(FRAME_BYTES_MAX + 1))
    await near.send(b"fine")
    assert await far.receive() == b"fine"


@pytest.mark.parametrize("part", [b"\0", b"\0\0\0\3", b"\0\0\0\3ab"])
async def test_an_end_inside_a_frame_is_no_end(part: bytes) -> None:
    one, other = trio.testing.memory_stream_pair()
    await one.send_all(part)
    await one.aclose()
    with pytest.raises(StreamBroken, match="ended inside a frame"):
        await FramedStream(other).receive()


async def test_a_cancelled_receive_loses_nothing() -> None:
    one, other = trio.testing.memory_stream_pair()
    far = FramedStream(other)
    await one.send_all(b"\0\0\0\3ab")
    with trio.move_on_after(0):
        await far.receive()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(far.receive)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
    await one.send_all(b"c")
    assert await far.receive() == b"abc"


async def test_after_half_a_frame_no_other_can_be_sent() -> None:
    one, _ = trio.testing.lockstep_stream_pair()
    near = FramedStream(one)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(near.send, b"never taken")
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
    with pytest.raises(StreamBroken, match="sent in part only"):
        await near.send(b"next")


async def test_sending_to_who_left_is_a_broken_stream() -> None:
    near, far = frames()
    await far.aclose()
    with pytest.raises(StreamBroken, match="broke while sending"):
        await near.send(b"hello")
    await near.aclose()
    with pytest.raises(StreamBroken, match="broke while receiving"):
        await near.receive()


# ---- TLS over real sockets

Became = PeerStream | ConnectFailed
Accepted = trio.MemoryReceiveChannel[Became]


@asynccontextmanager
async def accepting(identity: Identity) -> AsyncIterator[tuple[Address, Accepted]]:
    """A node that accepts peers, echoes one frame each, and keeps what became of them."""
    tell, accepted = trio.open_memory_channel[Became](10)
    (listener,) = await trio.open_tcp_listeners(0, host=HOST)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, partial(take, identity, tell), [listener])
        with trio.fail_after(10):
            yield Address(HOST, listener.socket.getsockname()[1]), accepted
        nursery.cancel_scope.cancel()


async def take(identity: Identity, tell: trio.MemorySendChannel[Became], plain: trio.SocketStream) -> None:
    tls = trio.SSLStream(plain, server_context(identity), server_side=True, https_compatible=True)
    async with plain:
        try:
            await tls.do_handshake()
            peer = await accept(tls, KeyTrust(identity), Address(HOST, 1))
        except ConnectFailed as refusal:
            tell.send_nowait(refusal)
        except trio.BrokenResourceError:
            tell.send_nowait(ConnectFailed("handshake"))
        else:
            tell.send_nowait(peer)
            frame = await peer.receive()
            await peer.send(frame or b"nothing came")


async def dial(address: Address, identity: Identity, timeout_s: float = 5) -> PeerStream:
    return await connect(address, client_context(identity), KeyTrust(identity), timeout_s)


@pytest.mark.live
async def test_two_members_know_each_other(nodes: Nodes) -> None:
    async with accepting(nodes["ada"]) as (address, accepted):
        peer = await dial(address, nodes["bob"])
        assert (peer.node, peer.name) == (nodes["ada"].node, "ada")
        assert (peer.raw_certificate, peer.address) == (nodes["ada"].certificate_der, address)
        await peer.send(b"hello" * 100_000)
        assert await peer.receive() == b"hello" * 100_000
        assert await peer.receive() is None
        other = await accepted.receive()
        assert isinstance(other, PeerStream)
        assert (other.node, other.name) == (nodes["bob"].node, "bob")
        await peer.aclose()


@pytest.mark.live
async def test_a_foreign_mesh_is_refused_by_who_dials(nodes: Nodes) -> None:
    async with accepting(nodes["ada"]) as (address, accepted):
        with pytest.raises(ConnectFailed, match="its certificate is not of this mesh"):
            await dial(address, nodes["eve"])
        assert isinstance(await accepted.receive(), ConnectFailed)


@pytest.mark.live
async def test_a_foreign_mesh_is_refused_by_who_is_dialled(nodes: Nodes) -> None:
    careless = client_context(nodes["eve"])
    careless.verify_mode = ssl.CERT_NONE
    async with accepting(nodes["ada"]) as (address, accepted):
        with pytest.raises(ConnectFailed):
            await connect(address, careless, KeyTrust(nodes["ada"]), 5)
        assert isinstance(await accepted.receive(), ConnectFailed)


@pytest.mark.live
async def test_who_shows_no_certificate_hears_why_it_is_refused(nodes: Nodes) -> None:
    async with accepting(nodes["ada"]) as (address, accepted):
        with pytest.raises(ConnectFailed, match="it refuses this node: it showed no certificate"):
            await connect(address, without_certificate(), KeyTrust(nodes["ada"]), 5)
        assert isinstance(await accepted.receive(), ConnectFailed)


def without_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["chaosmesh/1"])
    return context


@pytest.mark.live
async def test_nobody_there_is_explained(nodes: Nodes) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host=HOST)
    address = Address(HOST, listener.socket.getsockname()[1])
    await listener.aclose()
    with pytest.raises(ConnectFailed, match="can't connect: Connection refused"):
        await dial(address, nodes["ada"])


@pytest.mark.live
@pytest.mark.parametrize("address", [Address("no such host", 1), Address(HOST, 70_000), Address("a" * 70, 1)])
async def test_an_impossible_address_is_explained(address: Address, nodes: Nodes) -> None:
    with pytest.raises(ConnectFailed, match="can't connect"):
        await dial(address, nodes["ada"])


@pytest.mark.live
async def test_a_silent_listener_is_given_up(nodes: Nodes) -> None:
    async with await silent() as listener:
        with pytest.raises(ConnectFailed, match=r"no answer within 0\.05 s"):
            await dial(Address(HOST, listener.socket.getsockname()[1]), nodes["ada"], timeout_s=0.05)


async def silent() -> trio.SocketListener:
    (listener,) = await trio.open_tcp_listeners(0, host=HOST)
    return listener


@pytest.mark.live
@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_something_else_behind_the_port_is_explained(answer: bytes, nodes: Nodes, nursery: trio.Nursery) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(answer or b" ")

    listener = await silent()
    nursery.start_soon(trio.serve_listeners, serve, [listener])
    with pytest.raises(ConnectFailed, match="no TLS connection"):
        await dial(Address(HOST, listener.socket.getsockname()[1]), nodes["ada"])
    nursery.cancel_scope.cancel()
