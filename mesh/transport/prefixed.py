"""A stream whose first bytes were read already and are read again.

Invariant: what was put in front is received before anything from the network, once.
"""

import socket

import trio

from mesh.transport.streams import TlsStream


class PrefixedStream(trio.abc.HalfCloseableStream):
    """`inner` with `prefix` in front of what it receives. The names are those that hypercorn and trio-websocket use."""

    secure = False  # Whether the bytes come over TLS.

    def __init__(self, inner: trio.abc.HalfCloseableStream, plain: trio.SocketStream, prefix: bytes = b"") -> None:
        self.inner = inner
        self._plain = plain
        self._prefix = prefix
