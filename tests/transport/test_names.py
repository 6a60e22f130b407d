"""A name is looked up whole, and in bounded time."""

import socket
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from mesh.ids import Address
from mesh.transport.names import LOOK_UP_TIMEOUT_S, look_up


class Service(trio.abc.HostnameResolver):
    """A name service that gives these hosts for any name; none: it never answers."""

    def __init__(self, *hosts: str) -> None:
        self._hosts = hosts

    async def getaddrinfo(self, *_: Any, **__: Any) -> list[Any]:
        if not self._hosts:
            await trio.sleep_forever()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 7000)) for host in self._hosts]

    async def getnameinfo(self, sockaddr: object, flags: int) -> tuple[str, str]:
        raise AssertionError("nobody asks for names of addresses")


async def test_every_address_of_a_name_is_told_once() -> None:
    trio.socket.set_custom_hostname_resolver(Service("192.0.2.1", "192.0.2.2", "192.0.2.1"))
    found = await look_up(Address("seeds.example", 7000))
    assert found == (Address("192.0.2.1", 7000), Address("192.0.2.2", 7000))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "192.0.2.7"])
async def test_what_is_no_name_leads_to_itself(host: str) -> None:
    assert await look_up(Address(host, 7000)) == (Address(host, 7000),)


@pytest.mark.parametrize("host", ["no such host", "a" * 70, "." * 3])
async def test_what_nobody_knows_has_no_addresses(host: str) -> None:
    assert await look_up(Address(host, 7000)) == ()


async def test_a_name_service_that_does_not_answer_is_not_waited_for(autojump_clock: MockClock) -> None:
    trio.socket.set_custom_hostname_resolver(Service())
    assert await look_up(Address("seeds.example", 7000)) == ()
    assert trio.current_time() == pytest.approx(LOOK_UP_TIMEOUT_S)
