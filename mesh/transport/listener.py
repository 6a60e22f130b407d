"""The one TCP port: peers, browsers and clients come in by the same door (DESIGN §11).

Invariant: no connection can end the accept loop, and none holds a place for longer than `head_timeout_s` before it has
said what it is.
"""

import errno
import socket
import ssl
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import TypeAlias

import trio
from msgspec import Struct

from mesh.ids import Address
from mesh.security.trust import Trust
from mesh.transport.errors import ConnectFailed
from mesh.transport.prefixed import PrefixedStream, PrefixedTlsStream, TlsStream
from mesh.transport.streams import ALPN_PEER, PeerStream, accept, explain

TLS_HANDSHAKE = 0x16  # The first byte of every TLS connection (RFC 8446 §5.1), and of no HTTP request.
ACCEPT_PAUSE_S = 0.1  # How long to wait when the machine has no room for another connection.
REFUSAL_TIMEOUT_S = 1.0

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
_USE_TLS = b"This node answers plain HTTP on its own host only. Use https:// instead, with the same port.\n"
_FORBIDDEN = (
    b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_USE_TLS), _USE_TLS)
)

OnPeer: TypeAlias = Callable[[PeerStream], Awaitable[None]]
OnHttp: TypeAlias = Callable[[PrefixedStream, bytes | None], Awaitable[None]]


class Routes(Struct, frozen=True):
    """Who takes a connection. It is closed when they return.

    `on_http` also gets the client's certificate (DER, signed by the mesh's CA) where it showed one. `on_fault` hears in
    a sentence what went wrong with which connection.
    """

    on_peer: OnPeer
    on_http: OnHttp
    on_fault: Callable[[str], None]


class Limits(Struct, frozen=True):
    """What strangers may take."""

    strangers_max: int = 256  # Connections that have not said yet what they are; one more pushes out the oldest.
    head_timeout_s: float = 10.0  # For the first byte and the TLS handshake together.
    plaintext_from_anywhere: bool = False  # Plain HTTP is for this host only: it shows and proves nothing.


class Listener:
    """Accepts connections and hands each to whom it is for."""

    def __init__(self, context: ssl.SSLContext, trust: Trust, routes: Routes, limits: Limits | None = None) -> None:
        self._context = context
        self._trust = trust
        self._routes = routes
        self._limits = limits or Limits()
        self._strangers: dict[trio.CancelScope, None] = {}  # Oldest first.

    async def serve(
        self, listener: trio.SocketListener, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Accept until cancelled; then all connections are closed, and the listener is."""
        async with listener, trio.open_nursery() as connections:
            task_status.started()
            while True:
                stream = await self._accept(listener)
                if stream is not None:
                    connections.start_soon(self._guard, stream)

    async def _accept(self, listener: trio.SocketListener) -> trio.SocketStream | None:
        try:
            return await listener.accept()
        except OSError as error:
            self._routes.on_fault(f"can't accept a connection: {explain(error)}")
            if error.errno in _NO_ROOM:
                await trio.sleep(ACCEPT_PAUSE_S)
            return None

    async def _guard(self, stream: trio.SocketStream) -> None:
        """Let one connection go wrong without harm to the others."""
        source = "a connection that left at once"
        try:
            address = _source(stream)
            source = str(address)
            await self._serve_one(stream, address)
        except ConnectFailed as refusal:
            self._routes.on_fault(f"{source} was refused: {refusal.reason}")
        except Exception as error:
            self._routes.on_fault(f"{source} ended with {type(error).__name__}: {explain(error)}")
        finally:
            await trio.aclose_forcefully(stream)

    async def _serve_one(self, stream: trio.SocketStream, address: Address) -> None:
        came = await self._identify(stream, address)
        if isinstance(came, PeerStream):
            await self._routes.on_peer(came)
        elif isinstance(came, PrefixedTlsStream):
            await self._routes.on_http(came, came.getpeercert())
        elif came is not None:
            await self._routes.on_http(came, None)

    async def _identify(self, stream: trio.SocketStream, address: Address) -> PeerStream | PrefixedStream | None:
        """Who came; None for who left again. Raises ConnectFailed for who must not stay."""
        try:
            with trio.fail_after(self._limits.head_timeout_s), trio.CancelScope() as place:
                self._take_place(place)
                try:
                    return await self._look(stream, address)
                finally:
                    self._strangers.pop(place, None)
        except trio.TooSlowError:
            raise ConnectFailed(f"it did not say what it is within {self._limits.head_timeout_s:g} s") from None
        raise ConnectFailed(f"more than {self._limits.strangers_max} connections at once had not said what they are")

    def _take_place(self, place: trio.CancelScope) -> None:
        if len(self._strangers) >= self._limits.strangers_max:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.cancel()
        self._strangers[place] = None

    async def _look(self, stream: trio.SocketStream, address: Address) -> PeerStream | PrefixedStream | None:
        first = await stream.socket.recv(1, socket.MSG_PEEK)
        if not first:
            return None
        if first[0] == TLS_HANDSHAKE:
            return await self._shake_hands(stream, address)
        if self._limits.plaintext_from_anywhere or is_loopback(address.host):
            return PrefixedStream(stream)
        await _send_away(stream)
        raise ConnectFailed("plain HTTP from another host")

    async def _shake_hands(self, stream: trio.SocketStream, address: Address) -> PeerStream | PrefixedStream:
        tls: TlsStream = trio.SSLStream(stream, self._context, server_side=True, https_compatible=True)
        try:
            await tls.do_handshake()
        except trio.BrokenResourceError as error:
            raise ConnectFailed(f"no TLS connection: {explain(error)}") from error
        if tls.selected_alpn_protocol() == ALPN_PEER:
            return await accept(tls, self._trust, address)
        return PrefixedTlsStream(tls)


def is_loopback(host: str) -> bool:
    """Whether the numeric address `host` is this machine's own."""
    return ip_address(host.partition("%")[0]).is_loopback


def _source(stream: trio.SocketStream) -> Address:
    host, port = stream.socket.getpeername()[:2]
    return Address(host, port)


async def _send_away(stream: trio.SocketStream) -> None:
    """Tell a person with a browser what to do. What it sent is read first: unread, it would destroy the answer."""
    with trio.move_on_after(REFUSAL_TIMEOUT_S):
        await stream.receive_some()
        await stream.send_all(_FORBIDDEN)
        await stream.send_eof()
        while await stream.receive_some():
            continue
