"""Both ends of a stream between peers are watched by their machines."""

import socket

import pytest
import trio

from mesh.ids import Address
from mesh.runtime.identity import Identity, client_context, server_context
from mesh.runtime.trust import KeyTrust
from mesh.transport.silence import IDLE_S, UNHEARD_S
from mesh.transport.streams import accept, connect
from sim.scenario import NetworkModel

HOST = "127.0.0.1"
TLS_S_MAX = 10.0


class Sockets(trio.abc.SocketFactory):
    """Makes sockets, and keeps what it has made."""

    def __init__(self) -> None:
        self.made: list[trio.socket.SocketType] = []

    def socket(self, family: int = -1, type: int = -1, proto: int = -1) -> trio.socket.SocketType:
        self.made.append(trio.socket.from_stdlib_socket(socket.socket(family, type, proto)))
        return self.made[-1]


def watched(one: trio.socket.SocketType) -> tuple[int, int, float]:
    return (
        one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        one.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) / 1000,
    )


@pytest.mark.live
async def test_who_dialled_and_who_was_dialled_notice_that_nothing_passes_any_more(nodes: dict[str, Identity]) -> None:
    ada, bob = nodes["ada"], nodes["bob"]
    (listener,) = await trio.open_tcp_listeners(0, host=HOST)
    address = Address(HOST, listener.socket.getsockname()[1])
    sockets = Sockets()
    trio.socket.set_custom_socket_factory(sockets)
    async with listener, trio.open_nursery() as nursery:
        nursery.start_soon(connect, address, client_context(bob), KeyTrust(bob), TLS_S_MAX)
        far = await listener.accept()
        tls = trio.SSLStream(far, server_context(ada), server_side=True, https_compatible=True)
        await tls.do_handshake()
        await accept(tls, KeyTrust(ada), address)
    (near,) = sockets.made
    assert [watched(one) for one in (near, far.socket)] == [(1, IDLE_S, UNHEARD_S)] * 2


def test_it_takes_as_long_as_in_the_simulator() -> None:
    assert NetworkModel().notice_s == UNHEARD_S
