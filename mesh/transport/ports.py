"""One port number for a node: its UDP socket and its TCP listener.

Invariant: either both are bound to the same address and port, or neither is.
"""

from typing import NamedTuple

import trio

from mesh.errors import UsageError
from mesh.ids import Address
from mesh.transport.datagrams import Datagrams, bind, cannot_listen, resolve
from mesh.transport.errors import PORT_MAX, ConnectFailed

ATTEMPTS_MAX = 16  # With port 0: a TCP port whose UDP twin is taken is rare.
BACKLOG = 256


class BoundPort(NamedTuple):
    """A node's two sockets, and the address that both have."""

    listener: trio.SocketListener
    datagrams: Datagrams
    address: Address


async def bind_both(host: str, port: int) -> BoundPort:
    """Bind UDP and TCP at `host` (a name or a numeric address; `0.0.0.0` for all) to one port; 0 takes a free one.

    Raises UsageError where the port is taken or the address is not this host's.
    """
    if not 0 <= port <= PORT_MAX:
        raise cannot_listen(Address(host, port), "TCP and UDP", ValueError(f"expected a port from 0 to {PORT_MAX}"))
    try:
        address = await resolve(Address(host, port))
    except ConnectFailed as error:
        raise cannot_listen(Address(host, port), "TCP and UDP", error) from error
    for _ in range(ATTEMPTS_MAX - 1 if port == 0 else 0):
        try:
            return await _bind_once(address)
        except UsageError:
            continue
    return await _bind_once(address)


async def _bind_once(address: Address) -> BoundPort:
    try:
        (listener,) = await trio.open_tcp_listeners(address.port, host=address.host, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise cannot_listen(address, "TCP", error) from error
    try:
        datagrams = bind(address.host, listener.socket.getsockname()[1])
    except UsageError:
        await listener.aclose()
        raise
    return BoundPort(listener, datagrams, datagrams.address)
