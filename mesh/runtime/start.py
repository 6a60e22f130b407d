"""Start-up and shutdown in order.

Invariant: nothing is sent before the boot is on disk, nothing is acknowledged after the writer has closed, and whatever fails
half-way gives everything back.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import trio

from mesh.crdt.events import OpenEra
from mesh.effects import Emit
from mesh.events import Leave
from mesh.ids import Address
from mesh.origin import Origin
from mesh.peer import Peer
from mesh.runtime.announcer import Announcer
from mesh.runtime.answers import Answers
from mesh.runtime.clock import WallClock
from mesh.runtime.disks import Disks, open_disks
from mesh.runtime.door import Door
from mesh.runtime.doubles import watch_doubles
from mesh.runtime.identity import Identity, client_context, load_node, server_context
from mesh.runtime.links import Links
from mesh.runtime.loop import Loop
from mesh.runtime.node import Node, Options
from mesh.runtime.pages import Pages, watch_pages
from mesh.runtime.storing import attach_storage, watch_disk
from mesh.runtime.trust import KeyTrust
from mesh.transport.listener import Listener, Routes, is_loopback
from mesh.transport.ports import BoundPort, bind_both
from mesh.transport.prefixed import PrefixedStream
from mesh.transport.seal import Opener, Sealer, epochs

FAREWELL_S = 0.2  # Time for the last datagrams and stream frames to leave.


@asynccontextmanager
async def open_node(folder: Path, options: Options) -> AsyncIterator[Node]:
    """Run the node in `folder` for as long as the context lasts; then it leaves the mesh and closes its files.

    Raises UsageError or StorageError where the folder, the disk or the port cannot be used.
    """
    identity = load_node(folder)
    async with AsyncExitStack() as stack:
        disks = stack.enter_context(open_disks(folder, identity, options.config.storage.map_bytes))
        bound = await bind_both(options.host, options.port)
        stack.enter_context(bound.datagrams)
        clock = WallClock()
        peer = _make_peer(identity, options, bound.address, disks, clock.now())
        node = Node(
            identity,
            Loop(peer, clock, answers := Answers(), announcer := Announcer()),
            disks.ledger,
            answers,
            announcer,
        )
        stack.enter_context(node.meter.measuring())
        stack.push_async_callback(attach_storage(node, disks, announcer))
        async with trio.open_nursery() as nursery:
            await _attach_network(node, bound, nursery, announcer)
            if not disks.verdict.keeps_era:
                node.loop.tell(OpenEra(disks.verdict.value))
            nursery.start_soon(node.loop.run_ticks)
            nursery.start_soon(watch_disk, node, disks)
            nursery.start_soon(watch_doubles, node)
            nursery.start_soon(watch_pages, Pages(node, announcer), disks, options.config.storage.page_walk_interval_s)
            yield node
            with trio.CancelScope(shield=True):
                node.loop.tell(Leave())
                await trio.sleep(FAREWELL_S)
            nursery.cancel_scope.cancel()


def _make_peer(identity: Identity, options: Options, bound: Address, disks: Disks, now: float) -> Peer:
    address = Address(options.advertise or bound.host, bound.port)
    scheme = "http" if is_loopback(bound.host) else "https"
    origin = Origin(
        mesh=identity.mesh,
        certificate=identity.certificate_der,
        trust=KeyTrust(identity),
        address=address,
        api=f"{scheme}://{address}",
        boot=disks.boot,
        ledger=disks.ledger,
        soft=disks.soft,
        seeds=options.seeds,
        config=options.config,
        read_only=bool(disks.refusal),
    )
    return Peer(origin, Random(secrets.randbits(128)), secrets.token_bytes, now)


async def _attach_network(node: Node, bound: BoundPort, nursery: trio.Nursery, announcer: Announcer) -> None:
    identity, loop = node.identity, node.loop
    trust = Door(identity, lambda: loop.peer.ledger.durable.ends.nodes)

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
