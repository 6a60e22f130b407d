"""hypercorn's connection with its known faults mended (docs/decisions name them; tests/api/test_connection.py has one test each).

Invariant: no client can hold up a cancellation or a shutdown by not reading; the application sees the client's certificate.

It leans on classes of hypercorn that are not public, so hypercorn is pinned to 0.18.
"""

import ssl
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TypeAlias, cast

import trio
from cryptography import x509
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState

from mesh.transport.prefixed import PrefixedStream, TlsStream

WRITE_TIMEOUT_S = 30.0
READ_TIMEOUT_S = 30  # For the next bytes of a request that has begun.
KEEP_ALIVE_S = 30
HEAD_BYTES_MAX = 64 * 1024  # A token of three hundred writers has 8 kB, and stands in the URL.

Scope: TypeAlias = MutableMapping[str, object]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, object]]]
Send: TypeAlias = Callable[[MutableMapping[str, object]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class Connection(TCPServer):
    """One HTTP connection. Mended: `send_all` was shielded from cancellation and had no time limit."""

    write_timeout_s = WRITE_TIMEOUT_S

    async def protocol_send(self, event: Event) -> None:
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        async with self.send_lock:
            try:
                with trio.fail_after(self.write_timeout_s):
                    await self.stream.send_all(event.data)
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
                await trio.aclose_forcefully(self.stream)
                await self.protocol.handle(Closed())
            except trio.Cancelled:
                await trio.aclose_forcefully(self.stream)
                raise


class HttpServer:
    """Serves an ASGI application on connections that somebody else accepted."""

    def __init__(self, app: App, write_timeout_s: float = WRITE_TIMEOUT_S) -> None:
        self._app = app
        self._write_timeout_s = write_timeout_s
        self._context = WorkerContext(None)
        self._config = Config()
        self._config.errorlog = None
        self._config.accesslog = None
        self._config.include_server_header = False
        self._config.alpn_protocols = ["http/1.1"]
        self._config.h11_max_incomplete_size = HEAD_BYTES_MAX
        self._config.keep_alive_timeout = KEEP_ALIVE_S
        self._config.read_timeout = READ_TIMEOUT_S
        self._config.websocket_max_message_size = 1024 * 1024

    async def serve(self, stream: PrefixedStream, certificate: bytes | None) -> None:
        """Answer the requests on one connection until it ends."""
        app = cast(ASGIFramework, _with_certificate(self._app, certificate) if certificate else self._app)
        connection = Connection(
            ASGIWrapper(app), self._config, self._context, ConnectionState({}), cast(TlsStream, stream)
        )
        connection.write_timeout_s = self._write_timeout_s
        await connection.run()

    async def stop(self) -> None:
        """Let requests under way end, and kept-alive connections close."""
        await self._context.terminated.set()


def _with_certificate(app: App, certificate: bytes) -> App:
    """Mended: the client's certificate did not reach the application (ASGI's TLS extension)."""
    tls = {
        "client_cert_chain": [ssl.DER_cert_to_PEM_cert(certificate)],
        "client_cert_name": x509.load_der_x509_certificate(certificate).subject.rfc4514_string(),
        "client_cert_error": None,
    }

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        extensions = cast(dict[str, object], scope.get("extensions") or {})
        await app({**scope, "extensions": {**extensions, "tls": tls}}, receive, send)

    return wrapped
