"""A node has one number for both its sockets."""

import pytest
import trio

from mesh.errors import UsageError
from mesh.transport.datagrams import bind
from mesh.transport.ports import bind_both

pytestmark = pytest.mark.live
HOST = "127.0.0.1"


async def test_both_sockets_have_one_free_port() -> None:
    both = await bind_both(HOST, 0)
    async with both.listener:
        with both.datagrams:
            assert both.listener.socket.getsockname() == (HOST, both.address.port)
            assert both.datagrams.address == both.address


async def test_a_host_may_have_a_name() -> None:
    both = await bind_both("localhost", 0)
    async with both.listener:
        both.datagrams.close()
        assert both.address.host in (HOST, "::1")


async def test_a_taken_udp_port_frees_the_tcp_port_again() -> None:
    with bind(HOST, 0) as taken:
        port = taken.address.port
        with pytest.raises(UsageError, match="UDP"):
            await bind_both(HOST, port)
        (listener,) = await trio.open_tcp_listeners(port, host=HOST)
        await listener.aclose()


async def test_a_taken_tcp_port_is_explained() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host=HOST)
    async with listener:
        with pytest.raises(UsageError, match="TCP"):
            await bind_both(HOST, listener.socket.getsockname()[1])


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("no such host", 0), (HOST, 70_000)])
async def test_an_impossible_address_is_explained(host: str, port: int) -> None:
    with pytest.raises(UsageError, match="can't listen at"):
        await bind_both(host, port)
