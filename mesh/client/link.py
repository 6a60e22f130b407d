"""One websocket to one peer: requests paired with responses, events handed to their watches.

Invariant: when the websocket ends, everyone who waits on it is told; a request that never left says so.
"""

import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

import msgspec
import trio
from msgspec import UNSET, Raw, Struct, UnsetType

from mesh.client.answers import Event
from mesh.client.faults import CannotConnect, Fault, PeerFailed, exception_of
from mesh.errors import UsageError
from mesh.transport.prefixed import TlsStream
from mesh.transport.streams import explain
from mesh.transport.websocket import WebSocketClosed, WebSocketRefused, WebSocketStream, connect

PATH = "/v1/ws"
PROTOCOL = "mesh.json"
MESSAGE_BYTES_MAX = 64 * 1024 * 1024  # A page of a thousand large records.
CLOSE_TIMEOUT_S = 0.5
SEND_TIMEOUT_S = 30.0  # A peer that takes nothing for this long is as good as gone.
EVENTS_MAX = 1_000  # Events of one watch that wait for their reader.


class LinkLost(Exception):
    """The connection ended. `sent`: the request may have reached the peer."""

    def __init__(self, sent: bool) -> None:
        super().__init__("the connection was lost")
        self.sent = sent


class _Incoming(Struct, frozen=True):
    id: int | UnsetType | None = UNSET
    result: Raw = Raw(b"")
    error: Fault | None = None
    method: str = ""
    params: Raw = Raw(b"")


_decode = msgspec.json.Decoder(_Incoming).decode
_decode_event = msgspec.json.Decoder(Event).decode
_Slot = tuple[trio.Event, list[_Incoming]]


class Link:
    """A connection that is open."""

    def __init__(self, url: str, socket: WebSocketStream) -> None:
        self.url = url
        self.lost = trio.Event()
        self._socket = socket
        self._next = 0
        self._outgoing: list[str] = []
        self._asked = trio.Event()
        self._waiting: dict[int, _Slot] = {}
        self._watches: dict[int, trio.MemorySendChannel[Event]] = {}
        self._early: dict[int, list[Event]] = {}

    async def ask(self, method: str, params: dict[str, object]) -> bytes:
        """The result of one call, as JSON. Raises LinkLost, and the peer's error as a MeshError."""
        self._next += 1
        number, slot = self._next, (trio.Event(), list[_Incoming]())
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        raw = msgspec.json.encode(request).decode()
        if self.lost.is_set():
            raise LinkLost(sent=False)
        self._waiting[number] = slot
        self._outgoing.append(raw)
        self._asked.set()
        try:
            await slot[0].wait()
        finally:
            self._waiting.pop(number, None)
        if not slot[1]:
            raise LinkLost(sent=True)
        if slot[1][0].error is not None:
            raise exception_of(slot[1][0].error)
        return bytes(slot[1][0].result)

    async def write(self) -> None:
        """Send what is asked, all that one turn of the loop asks in one piece, until the connection ends."""
        try:
            while not self.lost.is_set():
                await self._asked.wait()
                self._asked = trio.Event()
                outgoing, self._outgoing = self._outgoing, []
                with trio.fail_after(SEND_TIMEOUT_S):
                    await self._socket.send(outgoing)
        except (WebSocketClosed, trio.TooSlowError):
            self._end()

    def events(self, watch: int) -> trio.MemoryReceiveChannel[Event]:
        """The events of a watch that this connection opened."""
        sender, receiver = trio.open_memory_channel[Event](EVENTS_MAX)
        if self.lost.is_set():
            sender.close()
            return receiver
        self._watches[watch] = sender
        for event in self._early.pop(watch, []):
            sender.send_nowait(event)
        return receiver

    def forget(self, watch: int) -> None:
        """Take no more events of a watch."""
        sender = self._watches.pop(watch, None)
        if sender is not None:
            sender.close()

    async def pump(self) -> None:
        """Read until the connection ends; then tell everyone."""
        try:
            while True:
                for message in await self._socket.receive():
                    await self._take(_decode(message))
        except (WebSocketClosed, msgspec.MsgspecError):
            return
        finally:
            self._end()

    def _end(self) -> None:
        self.lost.set()
        self._asked.set()
        for event, _ in self._waiting.values():
            event.set()
        for sender in self._watches.values():
            sender.close()
        self._watches.clear()

    async def _take(self, incoming: _Incoming) -> None:
        if incoming.method:
            await self._take_event(_decode_event(incoming.params))
        elif isinstance(incoming.id, int) and incoming.id in self._waiting:
            event, box = self._waiting[incoming.id]
            box.append(incoming)
            event.set()

    async def _take_event(self, event: Event) -> None:
        """Hand an event to its watch. A reader that is slow slows the connection down, and then the peer drops the watch."""
        sender = self._watches.get(event.watch)
        if sender is None:
            early = self._early.setdefault(event.watch, [])  # The reader has the answer and not yet asked for events.
            if len(early) < EVENTS_MAX:
                early.append(event)
            return
        try:
            await sender.send(event)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._watches.pop(event.watch, None)


class Dialling(Struct, frozen=True):
    """How to reach one peer."""

    url: str
    author: str
    timeout_s: float
    tls: ssl.SSLContext | None


async def run_link(
    dialling: Dialling, task_status: trio.TaskStatus[Link | CannotConnect] = trio.TASK_STATUS_IGNORED
) -> None:
    """Open a connection, hand it over through `task_status` (or why there is none), and read it until it ends."""
    opened: list[Link] = []

    def ready(link: Link) -> None:
        opened.append(link)
        task_status.started(link)

    try:
        await _run(dialling, ready)
    except Exception as error:
        if not opened:
            task_status.started(CannotConnect(f"{dialling.url}: {_reason(error, dialling.timeout_s)}"))


async def _run(dialling: Dialling, ready: Callable[[Link], None]) -> None:
    with trio.fail_after(dialling.timeout_s):
        stream, url = await _dial(dialling)
        try:
            author = {"Mesh-Author": dialling.author}
            socket = await connect(stream, url, PROTOCOL, author, MESSAGE_BYTES_MAX)
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
    link = Link(dialling.url, socket)
    ready(link)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.write)
            await link.pump()
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True), trio.move_on_after(CLOSE_TIMEOUT_S):
            await socket.aclose()


async def _dial(dialling: Dialling) -> tuple[trio.SocketStream | TlsStream, str]:
    parts = urlsplit(dialling.url)
    secure = parts.scheme in ("https", "wss")
    if not parts.hostname or parts.scheme not in ("http", "https", "ws", "wss"):
        raise UsageError(f"a URL such as http://127.0.0.1:7700 was expected, {dialling.url!r} came", field="url")
    plain = await trio.open_tcp_stream(parts.hostname, parts.port or (443 if secure else 80))
    url = f"{'wss' if secure else 'ws'}://{parts.netloc}{PATH}"
    if not secure:
        return plain, url
    context = dialling.tls or ssl.create_default_context()
    return trio.SSLStream(plain, context, server_hostname=parts.hostname, https_compatible=True), url


def _reason(error: Exception, timeout_s: float) -> str:
    match error:
        case trio.TooSlowError():
            return f"no answer within {timeout_s:g} s"
        case BaseExceptionGroup(exceptions=[Exception() as first, *_]):
            return _reason(first, timeout_s)
        case WebSocketRefused(status=None):
            return f"it is no mesh peer, or it closed the connection: {error}"
        case WebSocketRefused(status=status):
            return f"it refused the websocket (HTTP {status})"
        case UsageError() | PeerFailed():
            return str(error)
        case _:
            return explain(error)
