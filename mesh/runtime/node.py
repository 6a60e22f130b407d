"""A node: one peer on real disks and sockets, and the door through which this process uses it.

Invariant: what `submit` has returned is on this node's disk; what is read here is durable.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager

import trio
from msgspec import Struct

from mesh import __version__
from mesh.config import Config
from mesh.crdt.ends import SignedEnd
from mesh.crdt.events import RetryHeld, TakeEnds
from mesh.crdt.fingerprint import read_fingerprint
from mesh.crdt.lines import read_context
from mesh.crdt.replica import Reader, Replica
from mesh.crdt.token import decode_token, encode_token
from mesh.effects import Composed, NotComposed
from mesh.errors import StorageError
from mesh.events import Publish
from mesh.ids import Address, Dot, Head, NodeId, WriterId
from mesh.records import Operation, Submit
from mesh.runtime.announcer import EVERYTHING, Announcement, Announcer, Kinds
from mesh.runtime.answers import Answers
from mesh.runtime.identity import Identity
from mesh.runtime.loop import Loop
from mesh.runtime.meter import SliceMeter, quantiles
from mesh.runtime.rows import CatchUp, Health, LoopHealth, MemberRow, Receipt, StateRow, Why
from mesh.runtime.sightings import Sightings, member_row, owner_name
from mesh.runtime.why import explain
from mesh.storage.readers import Reading
from mesh.transport.prefixed import PrefixedStream

WRITE_TIMEOUT_S = 20.0  # !CHAOS waits this long for a remote call; a disk that takes longer is as good as broken.


OnHttp = Callable[[PrefixedStream, bytes | None], Awaitable[None]]


async def turn_away(stream: PrefixedStream, certificate: bytes | None) -> None:
    """What a node does with clients while no API is attached to it."""
    await stream.send_all(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")


class Options(Struct, frozen=True):
    """Where a node listens and whom it asks first. `port` 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 0
    advertise: str = ""  # The host that others should use, where it is not `host`.
    seeds: tuple[Address, ...] = ()
    config: Config = Config()


class Node:
    """What the API, the units and the command line see of a running peer. Made by `mesh.runtime.start.open_node`."""

    def __init__(
        self, identity: Identity, loop: Loop, replica: Replica, answers: Answers, announcer: Announcer
    ) -> None:
        self.identity = identity
        self.name = identity.name
        self.loop = loop
        self._replica, self._answers, self._announcer = replica, answers, announcer
        self._started = loop.clock.now()
        self.sightings = Sightings(loop.peer, self._started)
        loop.on_posted = lambda posted: self.sightings.note(posted, loop.clock.now())
        self.storage = "ok"
        self.damaged_page = ""  # What was found out about a page of the ledger's file (`runtime/pages.py`).
        self.copied = (
            ""  # Or that this node's disk was copied, and which of the two stands back (`runtime/doubles.py`).
        )
        self.meter = SliceMeter()
        self.reading_turn = trio.Lock()  # Long reads take one slice per turn of the loop, however many they are.
        self._token = (-1, "")
        self.notes: tuple[str, ...] = ()  # What was done to the files when they were opened.
        self.look_at_disk: Callable[[], Reading] = lambda: Reading(0, 0, 0)
        self.on_http: OnHttp = turn_away

    @property
    def address(self) -> Address:
        """Where this node listens, as it tells others."""
        return self.loop.peer.roster.own.claim.address

    @property
    def url(self) -> str:
        """Where clients are served."""
        return self.loop.peer.roster.own.claim.api

    async def submit(self, operations: tuple[Operation, ...], author: str, about: dict[str, str]) -> Receipt:
        """Carry out `operations` as one batch, or as part of one. Durable here when it returns.

        Raises UsageError, NotFound or Refused where a rule is broken, StorageError where the disk failed: nothing was changed then.
        """
        request = self._answers.open()
        self.loop.submit(Submit(request, operations, author, about))
        with trio.move_on_after(WRITE_TIMEOUT_S):
            match await self._answers.take(request):
                case NotComposed(_, error):
                    raise error
                case Composed(_, head, first):
                    return _receipt(head, first, self.token())
        raise StorageError(
            f"the disk did not answer within {WRITE_TIMEOUT_S:g} s; whether the write was stored is not known"
        )

    async def retry_held(self, writer: WriterId | None) -> None:
        """Judge held batches again, those of `writer` or all. What came of it is durable when it returns. Raises StorageError."""
        request = self._answers.open()
        await self._settle(request, RetryHeld(request, writer), "list what is held to see what came of it")

    async def take_ends(self, ends: tuple[SignedEnd, ...]) -> None:
        """Take in ends that the admin has signed. They are durable when it returns. Raises StorageError."""
        request = self._answers.open()
        await self._settle(request, TakeEnds(ends, None, request), "list the ends to see what came of it")

    async def _settle(self, request: int, event: RetryHeld | TakeEnds, todo: str) -> None:
        self.loop.tell(event)
        with trio.move_on_after(WRITE_TIMEOUT_S):
            match await self._answers.take(request):
                case NotComposed(_, error):
                    raise error
                case Composed():
                    return
        raise StorageError(f"the disk did not answer within {WRITE_TIMEOUT_S:g} s; {todo}")

    def read(self) -> AbstractContextManager[Reader]:
        """Open a reader on one committed state. Close it before the next `await`."""
        return self._replica.read()

    def token(self) -> str:
        """The causal position of what is durable here."""
        durable = self.loop.peer.ledger.durable
        if self._token[0] != durable.moves:  # All that one commit answers share one.
            self._token = durable.moves, encode_token(durable.token())
        return self._token[1]

    async def wait_until_covered(self, token: str, timeout_s: float) -> bool:
        """Wait until everything that `token` names is applied and durable here. False: it is not, in time."""
        wanted = decode_token(token)
        with self._announcer.listen(10_000) as announcements, trio.move_on_after(timeout_s):
            while not self.loop.peer.ledger.covers(wanted):
                try:
                    await announcements.receive()
                except trio.EndOfChannel:
                    return self.loop.peer.ledger.covers(wanted)
            return True
        return False

    def members(self) -> list[MemberRow]:
        """Every member ever heard of, by name."""
        peer = self.loop.peer
        return sorted(
            (member_row(peer, member) for member in peer.roster.members()), key=lambda row: (row.name, row.node)
        )

    def why(self, member: str) -> Why | None:
        """Why a member, by its name or the beginning of its identity, stands as it does; None where not just one is meant."""
        return explain(self.loop.peer, member)

    def state(self, prefix: str = "") -> list[StateRow]:
        """Every item of every board whose topic starts with `prefix`."""
        return self.sightings.rows(prefix, self.loop.clock.now())

    def health(self) -> Health:
        """How this node is. Fingerprint and token come from one committed state."""
        with self.read() as reader:
            fingerprint = read_fingerprint(reader)
            context = read_context(reader)
        members = self.loop.peer.roster.members()
        reading = self.look_at_disk()
        return Health(
            name=self.name,
            node=self.identity.node.hex(),
            mesh=self.identity.mesh.hex(),
            version=__version__,
            fingerprint=fingerprint,
            token=encode_token(context.token()),
            writers=len(context.lines),
            members=len(members),
            reachable=sum(member.reachable for member in members),
            uptime_s=round(self.loop.clock.now() - self._started, 3),
            storage=self.damaged_page or self.storage,
            held=sum(line.have.number - line.applied.number for line in context.lines.values()),
            catching_up=self.catching_up(),
            loop=LoopHealth(*map(quantiles, (self.meter.steps, self.meter.turns, self.meter.pauses))),
            readers=reading.readers,
            reader_lag=reading.lag,
            damaged=self.loop.peer.repair.wanted,
            scrubs=self.loop.peer.scrub.walks,
            copied=self.copied,
        )

    @property
    def stands_back(self) -> bool:
        """Whether this node leaves its name to another one that runs on a copy of its disk."""
        return self.loop.peer.roster.lives.displaced_by is not None

    def catching_up(self) -> CatchUp | None:
        """How far this node is in taking in much at once; None while little is missing."""
        progress = self.loop.peer.progress()
        return CatchUp(progress.have, progress.wanted) if progress is not None else None

    def listen(
        self, capacity: int = 1000, kinds: Kinds = EVERYTHING
    ) -> AbstractContextManager[trio.MemoryReceiveChannel[Announcement]]:
        """All of `kinds` that happens from now on. The channel is closed for a listener with more than `capacity` unread."""
        return self._announcer.listen(capacity, kinds)

    def publish(self, topic: str, value: object) -> None:
        """Set a topic of this node's own board; None takes it away."""
        self.loop.tell(Publish(topic, value))

    def owner_name(self, node: NodeId) -> str:
        """What people call a node."""
        return owner_name(self.loop.peer, node)


def _receipt(head: Head | None, first: int, token: str) -> Receipt:
    """The receipt for what a batch says from change `first` on; for None nothing had to change."""
    if head is None:
        return Receipt(None, token, changed=False)
    dot = Dot(head.writer, head.number, first, head.hash[:8])
    return Receipt(f"{head.writer.hex()}.{head.number}", token, changed=True, dot=str(dot))
