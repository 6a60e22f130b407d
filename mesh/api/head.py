"""The head of the first request on a connection: enough to know whether it wants a websocket.

Invariant: the bytes looked at are put back; what is no HTTP is left to the HTTP server to refuse.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import h11
import trio
from msgspec import Struct

from mesh.transport.prefixed import PrefixedStream

HEAD_BYTES_MAX = 64 * 1024
HEAD_TIMEOUT_S = 10.0
READ_BYTES = 64 * 1024


class Head(Struct, frozen=True):
    """Method, path without query, and headers by lower-case name."""

    method: str
    path: str
    headers: Mapping[str, str]

    @property
    def wants_websocket(self) -> bool:
        """Whether the request asks for an upgrade to a websocket (RFC 6455 §4.2.1)."""
        return self.method == "GET" and self.headers.get("upgrade", "").strip().lower() == "websocket"


async def read_head(stream: PrefixedStream) -> Head | None:
    """The head of the next request on `stream`, from which nothing is taken. None where none came, or none that can be read."""
    seen = b""
    with trio.move_on_after(HEAD_TIMEOUT_S):
        while b"\r\n\r\n" not in seen and len(seen) < HEAD_BYTES_MAX:
            some = await stream.receive_some(READ_BYTES)
            if not some:
                break
            seen += some
    if not seen:
        return None
    stream.put_back(seen)
    return parse_head(seen)


def parse_head(seen: bytes) -> Head | None:
    """The head that `seen` begins with, or None."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
    try:
        connection.receive_data(seen)
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return Head("", "", {})
    if not isinstance(event, h11.Request):
        return Head("", "", {})
    headers = {name.decode("ascii"): value.decode("latin-1") for name, value in event.headers}
    return Head(event.method.decode("ascii"), urlsplit(event.target.decode("ascii")).path, headers)


def is_foreign_page(origin: str | None, host: str | None) -> bool:
    """Whether a page of another site is asking: a browser names it in `Origin`, and no program does (RFC 6455 §10.2)."""
    return origin is not None and urlsplit(origin).netloc.lower() != (host or "").lower()
