"""Links: the TLS streams to other peers, one task each way, with a bounded queue out.

Invariant: a frame is queued, dropped or sent, and never waited for by the loop; the peer hears of the first stream to a node and of
the end of the last.
"""

import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

from mesh.events import Connected, DialFailed, Disconnected, Found
from mesh.ids import Address, NodeId
from mesh.security.trust import Trust
from mesh.transport.errors import ConnectFailed, StreamBroken
from mesh.transport.names import look_up
from mesh.transport.streams import PeerStream, connect

OUTBOX_BYTES_MAX = 16 * 1024 * 1024  # Four of the largest frames; what does not fit is found again by reconcile.
DIAL_TIMEOUT_S = 3.0  # A local handshake takes milliseconds, one over continents half a second.

STREAMS_MAX = 4  # To one node: each side may dial, and a seed leads to members by other addresses than their own.

LinkEvent = Connected | Disconnected | DialFailed | Found


class Outbox:
    """Frames on their way to one stream."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._filled = trio.Event()

    def put(self, frame: bytes) -> bool:
        """Queue a frame. False: the queue is full, and the frame was dropped."""
        if self._bytes + len(frame) > OUTBOX_BYTES_MAX:
            return False
        self._frames.append(frame)
        self._bytes += len(frame)
        self._filled.set()
        return True

    async def get(self) -> bytes:
        """The oldest frame, once there is one."""
        while not self._frames:
            self._filled = trio.Event()
            await self._filled.wait()
        frame = self._frames.popleft()
        self._bytes -= len(frame)
        return frame


@dataclass(eq=False, slots=True)
class _Link:
    stream: PeerStream
    outbox: Outbox = field(default_factory=Outbox)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class Links:
    """All streams to other peers."""

    def __init__(
        self,
        context: ssl.SSLContext,
        trust: Trust,
        on_event: Callable[[LinkEvent], None],
        on_frame: Callable[[NodeId, Address, bytes], Awaitable[None]],
    ) -> None:
        self._context, self._trust = context, trust
        self._on_event, self._on_frame = on_event, on_frame
        self._links: dict[NodeId, list[_Link]] = {}
        self._waiting: dict[NodeId, Outbox] = {}
        self._dialling: dict[Address, None] = {}
        self._nursery: trio.Nursery | None = None
        self.dropped = 0

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the streams until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None  # The disk may still answer, and who is told of that may have no stream left.

    def send(self, to: NodeId, at: Address, frame: bytes) -> None:
        """Queue a frame for `to`; a stream is opened to `at` where there is none."""
        if links := self._links.get(to):
            self.dropped += not links[-1].outbox.put(frame)
            return
        self.dropped += not self._waiting.setdefault(to, Outbox()).put(frame)
        self.dial(at, to)

    def dial(self, at: Address, to: NodeId | None = None) -> None:
        """Open a stream to whoever listens at `at`."""
        if at not in self._dialling and self._nursery is not None:
            self._dialling[at] = None
            self._nursery.start_soon(self._dial, at, to)

    def look_up(self, at: Address) -> None:
        """Ask the name service for all addresses behind `at`."""
        if self._nursery is not None:
            self._nursery.start_soon(self._look_up, at)

    async def _look_up(self, at: Address) -> None:
        self._on_event(Found(at, await look_up(at)))

    def count(self, node: NodeId) -> int:
        """How many streams there are to a node."""
        return len(self._links.get(node, ()))

    def hangup(self, node: NodeId) -> None:
        """Close all streams to a node."""
        for link in self._links.get(node, ()):
            link.scope.cancel()

    async def _dial(self, at: Address, to: NodeId | None) -> None:
        try:
            stream = await connect(at, self._context, self._trust, DIAL_TIMEOUT_S)
        except ConnectFailed as error:
            if to is not None:
                self._waiting.pop(to, None)
            self._on_event(DialFailed(at, error.reason, error.refused, error.turned_away))
            return
        finally:
            self._dialling.pop(at, None)
        if to is not None and stream.node != to:
            self._waiting.pop(to, None)  # Somebody else lives there now.
        await self.serve(stream, at)

    async def serve(self, stream: PeerStream, dialled: Address | None = None) -> None:
        """Carry frames of one stream until it ends. `dialled` is where we found it; None: it came to us."""
        link = _Link(stream, self._waiting.pop(stream.node, Outbox()))
        links = self._links.setdefault(stream.node, [])
        links.append(link)
        if len(links) > STREAMS_MAX:
            links[0].scope.cancel()
        self._on_event(Connected(stream.node, dialled or stream.address, dialled is not None))
        try:
            with link.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._send_all, link)
                    await self._receive_all(link)
                    nursery.cancel_scope.cancel()
        finally:
            self._forget(link)
            with trio.CancelScope(shield=True), trio.move_on_after(0.5):
                await stream.aclose()

    def _forget(self, link: _Link) -> None:
        links = self._links[link.stream.node]
        links.remove(link)
        if not links:
            del self._links[link.stream.node]
            self._on_event(Disconnected(link.stream.node))

    async def _receive_all(self, link: _Link) -> None:
        try:
            while (frame := await link.stream.receive()) is not None:
                await self._on_frame(link.stream.node, link.stream.address, frame)
        except StreamBroken:
            return

    async def _send_all(self, link: _Link) -> None:
        try:
            while True:
                await link.stream.send(await link.outbox.get())
        except StreamBroken:
            link.scope.cancel()
