"""The UDP socket: small messages that may get lost.

Invariant: sending never waits and never fails; what can't leave at once is dropped and counted.
"""

import errno
import socket
from functools import lru_cache
from ipaddress import ip_address

import trio

from mesh.errors import UsageError
from mesh.ids import Address
from mesh.transport.errors import ConnectFailed

RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024  # Some 3,000 datagrams: what comes while the loop is busy for a moment.
DATAGRAM_BYTES_MAX = 65_535
FAULT_PAUSE_S = 0.01  # A socket that fails again and again must not keep the loop busy.


class Datagrams:
    """A bound UDP socket. `dropped` counts what could not be sent, `faults` what the network reported on receiving."""

    def __init__(self, bound: socket.socket) -> None:
        bound.setblocking(False)
        self._sending = bound
        self._receiving = trio.socket.from_stdlib_socket(bound)
        host, port = bound.getsockname()[:2]
        self.address = Address(host, port)
        self.dropped = 0
        self.faults = 0

    def __enter__(self) -> "Datagrams":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, payload: bytes, to: Address) -> bool:
        """Hand `payload` to the network; whether it took it. `to.host` must be a numeric address: names are dropped."""
        try:
            self._sending.sendto(payload, (numeric(to.host), to.port))
        except (OSError, ValueError, OverflowError):
            self.dropped += 1
            return False
        return True

    async def receive(self) -> tuple[bytes, Address]:
        """The next datagram and where it came from. Raises trio.ClosedResourceError after `close`."""
        while True:
            try:
                payload, source = await self._receiving.recvfrom(DATAGRAM_BYTES_MAX)
            except OSError as error:
                await self._outlive(error)
            else:
                return payload, Address(source[0], source[1])

    def receive_nowait(self) -> tuple[bytes, Address] | None:
        """A datagram that waits already. None: there is no other, or the network has something to report to `receive`."""
        try:
            payload, source = self._sending.recvfrom(DATAGRAM_BYTES_MAX)
        except OSError:
            return None
        return payload, Address(source[0], source[1])

    def close(self) -> None:
        """Close the socket; a waiting `receive` raises. Closing twice is fine."""
        self._receiving.close()

    async def _outlive(self, error: OSError) -> None:
        """ICMP errors of earlier sends turn up here: they are about one peer, not about this socket."""
        if error.errno == errno.EBADF:
            raise trio.ClosedResourceError("the datagram socket was closed") from None
        self.faults += 1
        await trio.sleep(FAULT_PAUSE_S)


def bind(host: str, port: int) -> Datagrams:
    """A UDP socket at a numeric address; port 0 takes a free one. Raises UsageError where that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    plain = socket.socket(family, socket.SOCK_DGRAM)
    try:
        _prepare(plain, family)
        plain.bind((host, port))
    except (OSError, OverflowError) as error:
        plain.close()
        raise cannot_listen(Address(host, port), "UDP", error) from error
    return Datagrams(plain)


async def resolve(address: Address, timeout_s: float = 5.0) -> Address:
    """`address` with a numeric host, asking the name service where it has none. Raises ConnectFailed."""
    try:
        with trio.fail_after(timeout_s):
            found = await trio.socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
    except trio.TooSlowError:
        raise ConnectFailed(f"the name service did not find {address.host} within {timeout_s:g} s") from None
    except (OSError, UnicodeError, OverflowError) as error:
        raise ConnectFailed(f"the name service does not know {address.host}: {error}") from error
    found.sort(key=_ipv6_last)
    return Address(str(found[0][4][0]), address.port)


@lru_cache(maxsize=4096)
def numeric(host: str) -> str:
    """`host` where it is a numeric address. Raises ValueError for a name, which would block the loop in a look-up."""
    ip_address(host.partition("%")[0])
    return host


def cannot_listen(address: Address, protocol: str, error: Exception) -> UsageError:
    """Why nobody can listen at `address`, for people."""
    reason = getattr(error, "strerror", None) or str(error)
    return UsageError(
        f"can't listen at {address} ({protocol}): {reason}",
        field="listen",
        rule="a free port of an address of this host",
        todo="choose another port or address, or end the process that has it",
    )


def _prepare(plain: socket.socket, family: int) -> None:
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    if family == socket.AF_INET6:
        plain.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)


def _ipv6_last(found: tuple[object, ...]) -> bool:
    return found[0] == socket.AF_INET6
