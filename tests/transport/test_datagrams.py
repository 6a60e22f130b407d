"""Datagrams arrive or get lost; neither stops the sender or the receiver."""

import pytest
import trio

from mesh.errors import UsageError
from mesh.ids import Address
from mesh.transport.datagrams import Datagrams, bind, resolve
from mesh.transport.errors import ConnectFailed

pytestmark = pytest.mark.live
HOST = "127.0.0.1"


async def received(by: Datagrams) -> tuple[bytes, Address]:
    with trio.fail_after(5):
        return await by.receive()


async def test_a_datagram_arrives_with_its_source() -> None:
    with bind(HOST, 0) as ada, bind(HOST, 0) as bob:
        assert ada.send(b"hello", bob.address)
        assert await received(bob) == (b"hello", ada.address)


async def test_an_empty_and_a_large_datagram_arrive() -> None:
    with bind(HOST, 0) as ada, bind(HOST, 0) as bob:
        for payload in (b"", bytes(60_000)):
            assert ada.send(payload, bob.address)
            assert (await received(bob))[0] == payload


@pytest.mark.parametrize(
    "to",
    [
        Address("localhost", 7300),
        Address("no.such.host.invalid", 7300),
        Address("", 7300),
        Address("127.0.0.1\0", 7300),
        Address("::1", 7300),
        Address("127.0.0.1", 70_000),
        Address("127.0.0.1", -1),
        Address("127.0.0.1", 0),
    ],
)
async def test_what_cannot_be_sent_is_dropped_and_counted(to: Address) -> None:
    with bind(HOST, 0) as ada:
        assert not ada.send(b"hello", to)
        assert ada.dropped == 1


async def test_too_long_a_datagram_is_dropped() -> None:
    with bind(HOST, 0) as ada:
        assert not ada.send(bytes(70_000), ada.address)


async def test_a_flood_never_blocks_the_sender() -> None:
    with bind(HOST, 0) as ada, bind(HOST, 0) as bob, trio.fail_after(5):
        for _ in range(5000):
            ada.send(bytes(1200), bob.address)
        assert (await bob.receive())[0] == bytes(1200)


async def test_an_absent_peer_does_not_end_receiving() -> None:
    with bind(HOST, 0) as ada, bind(HOST, 0) as bob:
        gone = bind(HOST, 0)
        gone.close()
        for _ in range(10):
            ada.send(b"anybody?", gone.address)
        bob.send(b"here", ada.address)
        assert await received(ada) == (b"here", bob.address)


async def test_the_networks_faults_do_not_end_receiving(nursery: trio.Nursery) -> None:
    with bind(HOST, 0) as ada, bind(HOST, 0) as bob, trio.fail_after(5):
        gone = bind(HOST, 0)
        gone.close()
        ada._sending.connect((HOST, gone.address.port))  # Connected, Linux reports ICMP errors on receiving.
        ada._sending.send(b"anybody?")
        nursery.start_soon(answer_after_a_fault, ada, bob)
        assert (await ada.receive())[0] == b"here"
        assert ada.faults == 1


async def answer_after_a_fault(ada: Datagrams, bob: Datagrams) -> None:
    while not ada.faults:
        await trio.lowlevel.checkpoint()
    ada._sending.connect((HOST, bob.address.port))
    bob.send(b"here", ada.address)


async def test_closing_ends_a_waiting_receive(nursery: trio.Nursery) -> None:
    ada = bind(HOST, 0)

    async def wait() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await ada.receive()

    nursery.start_soon(wait)
    await trio.testing.wait_all_tasks_blocked()
    ada.close()
    ada.close()


async def test_a_closed_socket_drops() -> None:
    ada = bind(HOST, 0)
    ada.close()
    assert not ada.send(b"hello", Address(HOST, 7300))


async def test_a_taken_port_is_explained() -> None:
    with bind(HOST, 0) as ada, pytest.raises(UsageError, match=r"can't listen at .*UDP.*in use"):
        bind(HOST, ada.address.port)


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("no.such.host.invalid", 0), (HOST, 70_000)])
async def test_an_impossible_address_is_explained(host: str, port: int) -> None:
    with pytest.raises(UsageError, match="can't listen at"):
        bind(host, port)


async def test_names_are_resolved() -> None:
    assert await resolve(Address("localhost", 7300)) in (Address(HOST, 7300), Address("::1", 7300))
    assert await resolve(Address("192.0.2.1", 7300)) == Address("192.0.2.1", 7300)


@pytest.mark.parametrize("host", ["no such host", "a" * 70, "." * 3])
async def test_an_unknown_name_is_explained(host: str) -> None:
    with pytest.raises(ConnectFailed, match="name service"):
        await resolve(Address(host, 7300))


async def test_what_waits_already_is_taken_without_waiting() -> None:
    with bind(HOST, 0) as ada, bind(HOST, 0) as bob:
        assert bob.receive_nowait() is None
        for payload in (b"1", b"2"):
            ada.send(payload, bob.address)
        assert (await received(bob))[0] == b"1"
        assert bob.receive_nowait() == (b"2", ada.address)
        assert bob.receive_nowait() is None
