"""One port serves peers, browsers and clients; who is neither is shown the door, and the door stays open."""

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from mesh.ids import Address
from mesh.runtime.identity import Identity, client_context, server_context
from mesh.runtime.trust import KeyTrust
from mesh.transport.errors import ConnectFailed
from mesh.transport.listener import Limits, Listener, Routes, is_loopback
from mesh.transport.ports import bind_both
from mesh.transport.prefixed import PrefixedStream
from mesh.transport.streams import PeerStream, connect

pytestmark = pytest.mark.live
HOST = "127.0.0.1"
GET = b"GET / HTTP/1.1\r\n\r\n"
Nodes = dict[str, Identity]


class Door:
    """A listener under test, and what it handed on."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.peers: list[str] = []
        self.http: list[tuple[bytes, bool, bytes | None]] = []
        self.faults: list[str] = []
        self.tell, self.heard = trio.open_memory_channel[str](100)

    async def on_peer(self, peer: PeerStream) -> None:
        self.peers.append(peer.name)
        while (frame := await peer.receive()) is not None:
            await peer.send(frame)

    async def on_http(self, stream: PrefixedStream, certificate: bytes | None) -> None:
        head = await stream.receive_some()
        if head.startswith(b"BUG"):
            raise ValueError("a fault of the one who serves")
        self.http.append((bytes(head), stream.secure, certificate))
        await stream.send_all(b"HTTP/1.1 204 No Content\r\n\r\n")

    def on_fault(self, said: str) -> None:
        self.faults.append(said)
        self.tell.send_nowait(said)

    async def fault(self) -> str:
        """The next fault, once there is one."""
        return await self.heard.receive()

    async def plain(self) -> trio.SocketStream:
        return await trio.open_tcp_stream(self.address.host, self.address.port)

    async def peer(self, identity: Identity) -> PeerStream:
        return await connect(self.address, client_context(identity), KeyTrust(identity), 5)


@asynccontextmanager
async def opened(identity: Identity, limits: Limits | None = None, host: str = HOST) -> AsyncIterator[Door]:
    both = await bind_both(host, 0)
    door = Door(both.address)
    routes = Routes(door.on_peer, door.on_http, door.on_fault)
    listener = Listener(server_context(identity), KeyTrust(identity), routes, limits)
    with both.datagrams, trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            await nursery.start(listener.serve, both.listener)
            yield door
            nursery.cancel_scope.cancel()


async def still_serves(door: Door, identity: Identity) -> None:
    peer = await door.peer(identity)
    await peer.send(b"still there?")
    assert await peer.receive() == b"still there?"
    await peer.aclose()


async def tls(door: Door, context: ssl.SSLContext) -> "trio.SSLStream[trio.SocketStream]":
    stream = trio.SSLStream(await door.plain(), context, https_compatible=True)
    await stream.do_handshake()
    return stream


def browser(identity: Identity) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=identity.ca_der)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


async def test_a_peer_comes_in(nodes: Nodes) -> None:
    async with opened(nodes["ada"]) as door:
        await still_serves(door, nodes["bob"])
        assert (door.peers, door.faults) == (["bob"], [])


async def test_plain_http_from_this_host_comes_in(nodes: Nodes) -> None:
    async with opened(nodes["ada"]) as door, await door.plain() as stream:
        await stream.send_all(GET)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 204")
        assert door.http == [(GET, False, None)]
        assert await stream.receive_some() == b""


async def test_a_browser_comes_in_without_a_certificate(nodes: Nodes) -> None:
    async with opened(nodes["ada"]) as door:
        stream = trio.SSLStream(
            await door.plain(), browser(nodes["ada"]), server_hostname="localhost", https_compatible=True
        )
        await stream.send_all(GET)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 204")
        assert door.http == [(GET, True, None)]
        assert stream.selected_alpn_protocol() == "http/1.1"
        await stream.aclose()


async def test_https_with_a_certificate_hands_it_on(nodes: Nodes) -> None:
    context = client_context(nodes["bob"])
    context.set_alpn_protocols(["http/1.1"])
    async with opened(nodes["ada"]) as door:
        stream = await tls(door, context)
        await stream.send_all(GET)
        await stream.receive_some()
        assert door.http == [(GET, True, nodes["bob"].certificate_der)]
        await stream.aclose()


async def test_a_foreign_mesh_is_refused_and_named(nodes: Nodes) -> None:
    async with opened(nodes["ada"]) as door:
        with pytest.raises(ConnectFailed):
            await door.peer(nodes["eve"])
        assert "was refused: no TLS connection" in await door.fault()
        await still_serves(door, nodes["bob"])


async def test_a_foreign_certificate_is_refused_for_http_too(nodes: Nodes) -> None:
    context = client_context(nodes["eve"])
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    async with opened(nodes["ada"]) as door:
        stream = await tls(door, context)
        with pytest.raises(trio.BrokenResourceError):
            await use(stream)
        assert "its certificate is not of this mesh" in await door.fault()
        assert door.http == []
        await trio.aclose_forcefully(stream)


async def use(stream: "trio.SSLStream[trio.SocketStream]") -> None:
    """TLS 1.3 tells a client of its refusal once it reads; an end without an answer is one as well."""
    await stream.send_all(GET)
    if not await stream.receive_some():
        raise trio.BrokenResourceError("closed")


async def test_a_peer_without_certificate_is_refused_and_named(nodes: Nodes) -> None:
    context = ssl.create_default_context(cadata=nodes["ada"].ca_der)
    context.check_hostname = False
    context.set_alpn_protocols(["chaosmesh/1"])
    async with opened(nodes["ada"]) as door:
        with pytest.raises(ConnectFailed, match="it showed no certificate"):
            await connect(door.address, context, KeyTrust(nodes["ada"]), 5)
        assert "it showed no certificate" in await door.fault()
        assert door.peers == []


@pytest.mark.parametrize("first", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"])
async def test_who_does_not_go_on_is_sent_away(first: bytes, nodes: Nodes) -> None:
    async with opened(nodes["ada"], Limits(head_timeout_s=0.05)) as door, await door.plain() as stream:
        await stream.send_all(first or b"")
        assert await stream.receive_some() == b""
        assert "it did not say what it is within 0.05 s" in await door.fault()
        await still_serves_slowly(door)


async def still_serves_slowly(door: Door) -> None:
    async with await door.plain() as stream:
        await stream.send_all(GET)
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 204")


async def test_one_stranger_too_many_pushes_out_the_oldest(nodes: Nodes) -> None:
    async with opened(nodes["ada"], Limits(strangers_max=2)) as door:
        silent = [await door.plain() for _ in range(5)]
        for stream in silent[:3]:
            assert await stream.receive_some() == b""
        assert "more than 2 connections at once" in await door.fault()
        await still_serves(door, nodes["bob"])
        for stream in silent:
            await stream.aclose()


async def test_known_connections_are_no_strangers(nodes: Nodes) -> None:
    async with opened(nodes["ada"], Limits(strangers_max=1)) as door:
        peers = [await door.peer(nodes["bob"]) for _ in range(4)]
        for peer in peers:
            await peer.send(b"here")
            assert await peer.receive() == b"here"
            await peer.aclose()


async def test_a_fault_of_who_serves_ends_one_connection_only(nodes: Nodes) -> None:
    async with opened(nodes["ada"]) as door:
        async with await door.plain() as stream:
            await stream.send_all(b"BUG")
            assert await stream.receive_some() == b""
        assert "ended with ValueError: a fault of the one who serves" in await door.fault()
        await still_serves(door, nodes["bob"])


async def leave(stream: trio.SocketStream) -> None:
    await stream.aclose()


async def reset(stream: trio.SocketStream) -> None:
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    await stream.aclose()


async def talk_rubbish(stream: trio.SocketStream) -> None:
    await stream.send_all(b"\x16" + bytes(range(256)) * 20)
    await stream.aclose()


@pytest.mark.parametrize("behave", [leave, reset, talk_rubbish])
async def test_rude_clients_harm_nobody(behave: Callable[[trio.SocketStream], object], nodes: Nodes) -> None:
    async with opened(nodes["ada"]) as door:
        for _ in range(20):
            await behave(await door.plain())  # type: ignore[misc]
        await still_serves(door, nodes["bob"])


async def test_closing_ends_every_connection(nodes: Nodes) -> None:
    async with opened(nodes["ada"]) as door:
        peer = await door.peer(nodes["bob"])
        plain = await door.plain()
    assert await plain.receive_some() == b""
    assert await peer.receive() is None
    await plain.aclose()
    await peer.aclose()


def outward_host() -> str | None:
    """An address of this host that is not loopback, if it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        host: str = probe.getsockname()[0]
        return None if is_loopback(host) else host


@pytest.mark.skipif(outward_host() is None, reason="this host has no address but loopback")
@pytest.mark.parametrize(("anywhere", "answer"), [(False, b"HTTP/1.1 403"), (True, b"HTTP/1.1 204")])
async def test_plain_http_from_elsewhere_is_a_choice(anywhere: bool, answer: bytes, nodes: Nodes) -> None:
    limits = Limits(plaintext_from_anywhere=anywhere)
    async with opened(nodes["ada"], limits, str(outward_host())) as door, await door.plain() as stream:
        await stream.send_all(GET)
        assert (await stream.receive_some()).startswith(answer)
        assert len(door.http) == anywhere


@pytest.mark.parametrize(
    ("host", "own"), [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("10.0.0.1", False)]
)
def test_loopback_is_this_host(host: str, own: bool) -> None:
    assert is_loopback(host) is own
