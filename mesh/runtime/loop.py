"""The loop that drives a peer: events in, effects out, one function per effect.

Invariant: the peer is called by this task's thread only, never from within itself, and never waits for a disk or a socket.
"""

from collections import deque
from collections.abc import Callable, Sequence

import trio

from mesh.crdt.events import Stored, StoreFailed
from mesh.crdt.replica import Write, Writes
from mesh.effects import (
    Composed,
    Dial,
    Effect,
    Emit,
    Hangup,
    LookUp,
    NotComposed,
    Posted,
    Send,
    Store,
    StoreLazily,
    Stream,
    Visible,
)
from mesh.errors import MalformedMessage
from mesh.events import Received, Tick
from mesh.ids import Address, NodeId
from mesh.peer import Event, Peer
from mesh.records import Submit, Together
from mesh.runtime.announcer import Announcer
from mesh.runtime.answers import Answers
from mesh.runtime.clock import WallClock
from mesh.runtime.links import Links
from mesh.runtime.slices import slices
from mesh.runtime.tally import Tally
from mesh.transport.datagrams import Datagrams
from mesh.transport.seal import SEAL_BYTES, Opener, Sealer
from mesh.wire import decode_frame, decode_packet, encode_body, frame_of, join_packet

DATAGRAM_BYTES_MAX = 1_200  # Fits every path that carries IPv6 (RFC 8200 §5), until a path is known to carry more.
PACKET_OVERHEAD = 32  # Version, sender, array headers.
ROOM = DATAGRAM_BYTES_MAX - SEAL_BYTES - PACKET_OVERHEAD

DRAIN_S = (
    0.001  # So long datagrams that wait are taken in at a stretch; a turn of the loop costs as much as two of them.
)

StoreTicket = Callable[[int, Writes], None]
Post = Callable[[tuple[Write, ...]], None]


class Loop:
    """Runs one peer on trio."""

    def __init__(self, peer: Peer, clock: WallClock, answers: Answers, announcer: Announcer) -> None:
        self.peer = peer
        self.clock = clock
        self.tally = Tally()
        self.on_posted: Callable[[Posted], None] = lambda posted: None
        self._answers, self._announcer = answers, announcer
        self._events: deque[Event] = deque()
        self._submits: list[Submit] = []
        self._storing = self._stored = 0  # The newest tickets that the disk was given, and has answered.
        self._running = False
        self._wake = trio.Event()
        self._sleeping_until = float("inf")

    def attach(self, links: Links, datagrams: Datagrams, seal: tuple[Sealer, Opener]) -> None:
        """The network that effects go to."""
        self._links, self._datagrams = links, datagrams
        self._sealer, self._opener = seal

    def attach_storage(self, store: StoreTicket, post: Post) -> None:
        """The disks that effects go to."""
        self._store, self._post = store, post

    def tell(self, event: Event) -> None:
        """Hand an event to the peer, and carry out what it asks for. An effect that causes an event queues it."""
        self._events.append(event)
        if self._running:
            return
        self._running = True
        try:
            while self._events:
                now = self.clock.now()
                self._carry_out(self.peer.handle(self._events.popleft(), now))
        finally:
            self._running = False
        if self.peer.deadline() < self._sleeping_until:
            self._wake.set()

    def submit(self, submit: Submit) -> None:
        """Hand a write to the peer, together with all others that come in this turn of the loop.

        While the disk is busy it waits for the next answer of the disk, which it could not overtake: so more come together.
        """
        self._submits.append(submit)
        if len(self._submits) == 1:
            trio.lowlevel.current_trio_token().run_sync_soon(self._bring_in_unless_busy)

    def _bring_in_unless_busy(self) -> None:
        if self._storing <= self._stored:
            self._bring_in()

    def _bring_in(self) -> None:
        submits, self._submits = self._submits, []
        if submits:
            self.tell(Together(tuple(submits)))

    def tell_soon(self, event: Event) -> None:
        """Hand an event to the peer once nobody reads any more: with the event that is under way, or at the next tick."""
        self._events.append(event)
        self._wake.set()

    async def run_ticks(self) -> None:
        """Tell the peer whenever a deadline has passed, until cancelled."""
        while True:
            self._wake = trio.Event()
            self._sleeping_until = self.peer.deadline()
            with trio.move_on_after(max(0.0, self._sleeping_until - self.clock.now())):
                await self._wake.wait()
            if self._events or self.clock.now() >= self.peer.deadline():
                self.tell(Tick())
            await trio.lowlevel.checkpoint()

    async def run_datagrams(self) -> None:
        """Take in datagrams until cancelled."""
        while True:
            waiting: tuple[bytes, Address] | None = await self._datagrams.receive()
            until = self.clock.now() + DRAIN_S
            while waiting is not None:
                self._take_datagram(*waiting)
                waiting = self._datagrams.receive_nowait() if self.clock.now() < until else None

    def _take_datagram(self, payload: bytes, source: Address) -> None:
        self.tally.received(len(payload))
        try:
            packet = decode_packet(self._opener.open(payload))
        except MalformedMessage as error:
            self.tell_malformed(source, error)
            return
        for message in packet.messages:
            self.tell(Received(packet.sender, source, message))

    async def on_frame(self, node: NodeId, at: Address, frame: bytes) -> None:
        """Take in one frame of a stream, a slice at a time: its next one is read when this one is merged."""
        self.tally.received(len(frame))
        try:
            message = decode_frame(frame)
        except MalformedMessage as error:
            self.tell_malformed(at, error)
            self._links.hangup(node)
            return
        for piece in slices(message):
            self.tell(Received(node, self.peer.roster.address(node) or at, piece, streamed=True))
            await trio.lowlevel.checkpoint()

    def tell_malformed(self, source: Address, error: MalformedMessage) -> None:
        """Say that somebody sent what is no message."""
        self._announcer.tell(Emit("peer.malformed", {"at": str(source), "reason": str(error)}))

    def on_stored(self, tickets: Sequence[int], error: Exception | None) -> None:
        """The writer thread's answer to the tickets of one commit, which are in order."""
        self._stored = tickets[-1]
        if error is None:
            self.tell(Stored(tickets[-1]))
            self._bring_in()
        else:
            self.tell(StoreFailed(tickets[0], str(error)))
            trio.lowlevel.current_trio_token().run_sync_soon(self._bring_in)  # When the writer has resumed.

    def _carry_out(self, effects: list[Effect]) -> None:
        outgoing: dict[tuple[NodeId, Address], list[bytes]] = {}
        for effect in effects:
            match effect:
                case Send(to, at, message):
                    outgoing.setdefault((to, at), []).append(encode_body(message))
                case Stream(to, at, message):
                    self._stream(to, at, encode_body(message))
                case Dial(at):
                    self._links.dial(at)
                case LookUp(at):
                    self._links.look_up(at)
                case Hangup(to):
                    self._links.hangup(to)
                case Store(ticket, writes):
                    self._storing = ticket
                    self._store(ticket, writes)
                case StoreLazily(writes):
                    self._post(writes)
                case Composed() | NotComposed():
                    self._answers.give(effect)
                case Posted():
                    self.on_posted(effect)
                    self._announcer.tell(effect)
                case Visible() | Emit():
                    self._announcer.tell(effect)
        for (to, at), bodies in outgoing.items():
            self._send(to, at, bodies)

    def _send(self, to: NodeId, at: Address, bodies: list[bytes]) -> None:
        """Coalesce bodies into as few datagrams as they fit."""
        packet: list[bytes] = []
        size = 0
        for body in bodies:
            if len(body) > ROOM:
                self._stream(to, at, body)
                continue
            if size + len(body) > ROOM:
                self._send_packet(at, packet)
                packet, size = [], 0
            packet.append(body)
            size += len(body)
        if packet:
            self._send_packet(at, packet)

    def _send_packet(self, at: Address, bodies: list[bytes]) -> None:
        payload = self._sealer.seal(join_packet(self.peer.roster.me, bodies))
        self.tally.sent(len(payload))
        self._datagrams.send(payload, at)

    def _stream(self, to: NodeId, at: Address, body: bytes) -> None:
        frame = frame_of(body)
        self.tally.sent(len(frame))
        self._links.send(to, at, frame)
