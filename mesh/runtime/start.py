"""Start-up and shutdown in order.

Invariant: nothing is sent before the boot is on disk, nothing is acknowledged after the writer has closed, and whatever fails
half-way gives everything back.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import msgspec
import trio

from mesh.crdt.events import OpenEra
from mesh.crdt.keys import BOOT, OPENS
from mesh.crdt.replica import Replica, Table, Write
from mesh.effects import Emit
from mesh.errors import StorageError
from mesh.events import Leave
from mesh.gossip.membership import boot_write
from mesh.ids import Address, Boot
from mesh.peer import Origin, Peer
from mesh.runtime.announcer import Announcer
from mesh.runtime.answers import Answers
from mesh.runtime.clock import WallClock
from mesh.runtime.identity import Identity, client_context, load_node, server_context
from mesh.runtime.links import Links
from mesh.runtime.loop import Loop
from mesh.runtime.node import Node, Options
from mesh.runtime.trust import KeyTrust
from mesh.storage.environment import LEDGER_TABLES, SOFT_TABLES, LmdbReplica
from mesh.storage.guards import Guard, Verdict
from mesh.storage.lazy import LazyWriter
from mesh.storage.opening import DATA_NAME
from mesh.storage.writer import Writer, write_now
from mesh.transport.listener import Listener, Routes, is_loopback
from mesh.transport.ports import BoundPort, bind_both
from mesh.transport.prefixed import PrefixedStream
from mesh.transport.seal import Opener, Sealer, epochs

FAREWELL_S = 0.2  # Time for the last datagrams and stream frames to leave.
DATA = "data"


@asynccontextmanager
async def open_node(folder: Path, options: Options) -> AsyncIterator[Node]:
    """Run the node in `folder` for as long as the context lasts; then it leaves the mesh and closes its files.

    Raises UsageError or StorageError where the folder, the disk or the port cannot be used.
    """
    identity = load_node(folder)
    async with AsyncExitStack() as stack:
        ledger = LmdbReplica.open(folder / DATA / "ledger", LEDGER_TABLES, mesh=identity.mesh, durable=True)
        stack.callback(ledger.close)
        tables = (*SOFT_TABLES, Table.META)
        soft = LmdbReplica.open(folder / DATA / "boards", tables, mesh=identity.mesh, durable=False)
        stack.callback(soft.close)
        verdict = _count_open(ledger, Guard(folder / "opens.json", ledger.path / DATA_NAME))
        bound = await bind_both(options.host, options.port)
        stack.enter_context(bound.datagrams)
        clock = WallClock()
        peer = _make_peer(identity, options, bound.address, (ledger, soft), clock.now())
        node = Node(
            identity, Loop(peer, clock, answers := Answers(), announcer := Announcer()), ledger, answers, announcer
        )
        stack.enter_context(node.meter.measuring())
        stack.push_async_callback(_attach_storage(node, ledger, soft, announcer))
        async with trio.open_nursery() as nursery:
            await _attach_network(node, bound, nursery, announcer)
            if not verdict.keeps_era:
                node.loop.tell(OpenEra(verdict.value))
            nursery.start_soon(node.loop.run_ticks)
            yield node
            with trio.CancelScope(shield=True):
                node.loop.tell(Leave())
                await trio.sleep(FAREWELL_S)
            nursery.cancel_scope.cancel()


def _count_open(ledger: LmdbReplica, guard: Guard) -> Verdict:
    """Count this opening in the database and beside it; a difference means that the database was copied or restored."""
    with ledger.read() as reader:
        counted = int(reader.get(Table.META, OPENS) or b"0")
    verdict, count = guard.check(counted), guard.next_count(counted)
    write_now(ledger, [Write(Table.META, OPENS, str(count).encode())])
    guard.advance(count)
    return verdict


def _make_peer(
    identity: Identity, options: Options, bound: Address, replicas: tuple[Replica, LmdbReplica], now: float
) -> Peer:
    ledger, soft = replicas
    address = Address(options.advertise or bound.host, bound.port)
    scheme = "http" if is_loopback(bound.host) else "https"
    origin = Origin(
        mesh=identity.mesh,
        certificate=identity.certificate_der,
        trust=KeyTrust(identity),
        address=address,
        api=f"{scheme}://{address}",
        boot=_next_boot(soft),
        ledger=ledger,
        soft=soft,
        seeds=options.seeds,
        config=options.config,
    )
    return Peer(origin, Random(secrets.randbits(128)), secrets.token_bytes, now)


def _next_boot(soft: LmdbReplica) -> Boot:
    """A boot above every one of this node that is known here, on disk before anybody hears of it."""
    with soft.read() as reader:
        row = reader.get(Table.META, BOOT)
    stored = msgspec.msgpack.decode(row, type=Boot).count if row is not None else 0
    boot = Boot(stored + 1, secrets.randbits(64))
    write_now(soft, [boot_write(boot)])
    return boot


def _attach_storage(
    node: Node, ledger: LmdbReplica, soft: LmdbReplica, announcer: Announcer
) -> Callable[[], Awaitable[None]]:
    """Start the writer threads. Returns what closes them, after storing what they were given."""

    def on_done(tickets: Sequence[int], error: StorageError | None) -> None:
        node.storage = "ok" if error is None else str(error)
        node.loop.on_stored(tickets, error)
        if error is not None:
            writer.resume(tickets[-1])

    def on_fault(error: StorageError) -> None:
        announcer.tell(Emit("storage.soft", {"reason": str(error)}))

    writer = Writer(ledger, on_done)
    lazy = LazyWriter(soft, on_fault)
    node.loop.attach_storage(writer.submit, lazy.post)

    async def close() -> None:
        await writer.aclose()
        await lazy.aclose()

    return close


async def _attach_network(node: Node, bound: BoundPort, nursery: trio.Nursery, announcer: Announcer) -> None:
    identity, loop = node.identity, node.loop
    trust = KeyTrust(identity)

    async def on_http(stream: PrefixedStream, certificate: bytes | None) -> None:
        await node.on_http(stream, certificate)

    def on_fault(reason: str) -> None:
        announcer.tell(Emit("listener.fault", {"reason": reason}))

    links = Links(client_context(identity), trust, loop.tell, loop.on_frame)
    sealer = Sealer(identity.epoch_secret, identity.mesh, secrets.token_bytes(16))
    loop.attach(links, bound.datagrams, (sealer, Opener(epochs(identity.epoch_secret), identity.mesh)))
    listener = Listener(server_context(identity), trust, Routes(links.serve, on_http, on_fault))
    await nursery.start(links.run)
    await nursery.start(listener.serve, bound.listener)
    nursery.start_soon(loop.run_datagrams)
