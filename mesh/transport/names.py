"""All addresses behind a name, as the name service has them now.

Invariant: an answer comes within the time-out; what can't be found has no addresses.
"""

import socket

import trio

from mesh.ids import Address

LOOK_UP_TIMEOUT_S = 3.0  # As long as a dial takes at most; Linux alone asks dead name servers for ten seconds and more.


async def look_up(at: Address, timeout_s: float = LOOK_UP_TIMEOUT_S) -> tuple[Address, ...]:
    """The numeric addresses behind `at`, each once, in the name service's order; `at` itself where it is numeric."""
    with trio.move_on_after(timeout_s):
        try:
            found = await trio.socket.getaddrinfo(at.host, at.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, OverflowError):
            return ()
        return tuple(dict.fromkeys(Address(str(entry[4][0]), at.port) for entry in found))
    return ()
