"""A stream whose first bytes were read already and are read again.

Invariant: what was put back is received before anything from the network, once.
"""

from typing import TypeAlias

import trio

TlsStream: TypeAlias = trio.SSLStream[trio.SocketStream]


class PrefixedStream(trio.abc.HalfCloseableStream):
    """A connection with bytes put back in front of what it receives.

    `socket` is there because HTTP servers ask it for the addresses; so are the names in PrefixedTlsStream.
    """

    secure = False  # Whether the bytes come over TLS.

    def __init__(self, inner: trio.SocketStream | TlsStream, prefix: bytes = b"") -> None:
        self._inner = inner
        self._prefix = prefix
        self.socket = _socket(inner)

    def put_back(self, content: bytes) -> None:
        """Let `content`, which was received, be received again."""
        self._prefix = content + self._prefix

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """What was put back, then what comes from the network; empty at the end."""
        if not self._prefix:
            return await self._inner.receive_some(max_bytes)
        await trio.lowlevel.checkpoint()
        size = len(self._prefix) if max_bytes is None else max_bytes
        some, self._prefix = self._prefix[:size], self._prefix[size:]
        return some

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`."""
        await self._inner.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room for sending."""
        await self._inner.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Tell the other side that no more comes. TLS can't close one half: there only `aclose` tells it."""
        if isinstance(self._inner, trio.SSLStream):
            await trio.lowlevel.checkpoint()
        else:
            await self._inner.send_eof()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()


class PrefixedTlsStream(PrefixedStream):
    """The same over TLS whose handshake is done."""

    secure = True

    def __init__(self, inner: TlsStream, prefix: bytes = b"") -> None:
        super().__init__(inner, prefix)
        self._tls = inner
        self.transport_stream = inner.transport_stream

    async def do_handshake(self) -> None:
        """Nothing: it is done."""
        await trio.lowlevel.checkpoint()

    def selected_alpn_protocol(self) -> str | None:
        """What both sides agreed to speak, `http/1.1` or nothing."""
        protocol: str | None = self._tls.selected_alpn_protocol()
        return protocol

    def getpeercert(self) -> bytes | None:
        """The client's certificate (DER) that the mesh's CA signed, if it showed one."""
        raw: bytes | None = self._tls.getpeercert(binary_form=True)
        return raw


def _socket(inner: trio.SocketStream | TlsStream) -> trio.socket.SocketType:
    return inner.socket if isinstance(inner, trio.SocketStream) else inner.transport_stream.socket
