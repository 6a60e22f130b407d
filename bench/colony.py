"""`python -m bench.colony FOLDER NAME … [--seed HOST:PORT]`: some nodes on one loop, told what to do through standard input.

Orders and answers are JSON, one a line. All moments are of the machine's monotonic clock, which is one for all its processes.
"""

import argparse
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import zip_longest
from pathlib import Path

import msgspec
import trio
from msgspec import Struct

from mesh.cli.up import parse_address
from mesh.effects import Emit, Visible
from mesh.ids import RecordId
from mesh.records import PutRecord
from mesh.runtime.announcer import Announcement
from mesh.runtime.interpreter import spare_the_loop
from mesh.runtime.node import Node, Options
from mesh.runtime.start import open_node

TOLD = ("member.alive", "member.down", "member.left", "member.refuted", "member.suspect")
LISTEN_MAX = 1_000_000


class Put(Struct, frozen=True, tag="put"):
    """Write `count` variables at `node`, all at once."""

    node: str
    count: int


class Count(Struct, frozen=True, tag="count"):
    """Say what every node has sent, received and shown so far."""


Order = Put | Count


class Ready(Struct, frozen=True, tag="ready"):
    """These nodes listen, each at its address."""

    addresses: dict[str, str]


class Done(Struct, frozen=True, tag="done"):
    """The writes of a Put: its beginning, and the batch of each as it was acknowledged."""

    began: float
    batches: list[str]


class Noted(Struct, frozen=True, tag="noted"):
    """At the moment `at`, `node` said `said` about `member`; `reason` is of its latest evidence."""

    at: float
    node: str
    said: str
    member: str


class Counted(Struct, frozen=True, tag="counted"):
    """What nodes have sent and received, in bytes, whom they hold well, and when they showed each batch. The last begins anew."""

    sent: dict[str, int]
    received: dict[str, int]
    reachable: dict[str, int]
    shown: dict[str, dict[str, float]]


Answer = Ready | Done | Noted | Counted

_order = msgspec.json.Decoder(Order)


class Colony:
    """The nodes of this process."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self._shown: dict[str, dict[str, float]] = {}

    async def watch(self, node: Node, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Note what a node shows, and tell what it says of members."""
        self.nodes[node.name], self._shown[node.name] = node, {}
        with node.listen(LISTEN_MAX, (Visible, Emit)) as announcements:
            task_status.started()
            async for announcement in announcements:
                self._note(node, announcement)

    def _note(self, node: Node, announcement: Announcement) -> None:
        now = time.monotonic()
        if isinstance(announcement, Visible):
            for opened in announcement.batches:
                batch = f"{opened.content.writer.hex()}.{opened.content.number}"
                self._shown[node.name][batch] = now
        elif isinstance(announcement, Emit) and announcement.name in TOLD:
            say(Noted(now, node.name, announcement.name, str(announcement.about.get("name", ""))))

    async def obey(self, order: Order) -> None:
        """Carry out one order, and answer."""
        match order:
            case Put(node, count):
                await self._put(self.nodes[node], count)
            case Count():
                shown, self._shown = self._shown, {name: {} for name in self.nodes}
                tallies = {name: node.loop.tally for name, node in self.nodes.items()}
                sent = {name: tally.bytes_sent for name, tally in tallies.items()}
                received = {name: tally.bytes_received for name, tally in tallies.items()}
                reachable = {name: len(node.loop.peer.roster.others()) for name, node in self.nodes.items()}
                say(Counted(sent, received, reachable, shown))

    async def _put(self, node: Node, count: int) -> None:
        batches: list[str] = []

        async def write(number: int) -> None:
            record = PutRecord(RecordId("variable", f"{node.name}/{number}"), {"value": time.monotonic()})
            receipt = await node.submit((record,), "bench", {})
            batches.append(str(receipt.batch))

        began = time.monotonic()
        async with trio.open_nursery() as nursery:
            for number in range(count):
                nursery.start_soon(write, number)
        say(Done(began, batches))


def say(answer: Answer) -> None:
    """Tell whoever started this process."""
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


async def orders() -> AsyncIterator[Order]:
    """What standard input says, until it ends."""
    async with trio.lowlevel.FdStream(os.dup(sys.stdin.fileno())) as stream:
        rest = b""
        async for piece in stream:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield _order.decode(line)


async def live(folder: Path, nodes: dict[str, Options]) -> None:
    """Run the nodes until standard input ends."""
    colony = Colony()
    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
        for name, options in nodes.items():
            first = [node.address for node in colony.nodes.values()][:1]
            seeded = msgspec.structs.replace(options, seeds=(*options.seeds, *first))
            node = await stack.enter_async_context(open_node(folder / name, seeded))
            await nursery.start(colony.watch, node)
        spare_the_loop()
        say(Ready({name: str(node.address) for name, node in colony.nodes.items()}))
        async for order in orders():
            nursery.start_soon(colony.obey, order)
        nursery.cancel_scope.cancel()


def main() -> None:
    """Read the command line, and live."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--seed", action="append", default=[])
    parser.add_argument("--port", action="append", default=[], type=int, help="of each node; any where there are none")
    parser.add_argument("--advertise", action="append", default=[], help="the host of each node, as others see it")
    chosen = parser.parse_args()
    seeds = tuple(parse_address(text) for text in chosen.seed)
    said = zip_longest(chosen.names, chosen.port, chosen.advertise)
    nodes = {name: Options(port=port or 0, advertise=host or "", seeds=seeds) for name, port, host in said}
    trio.run(live, chosen.folder, nodes)


if __name__ == "__main__":
    main()
