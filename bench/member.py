"""`python -m bench.member FOLDER [SEED]`: one node in a process of its own, with every slice of its loop timed.

It prints its address; then, once it holds as many batches as its standard input says, how long that took and its slices.
"""

import sys
import time
from pathlib import Path

import msgspec
import trio
from msgspec import Struct

from mesh.ids import Address
from mesh.runtime.interpreter import spare_the_loop
from mesh.runtime.node import Node, Options
from mesh.runtime.start import open_node

SHORT_S = 1e-4  # Shorter steps are counted and not kept: they would flatter every share.


class Told(Struct):
    """What a member found out. Slices are seconds, longest first; only those of a tenth of a millisecond and more are kept.

    `slices` is what the loop had to wait; `busy` leaves out when its thread did not run, because others had the processor.
    """

    took_s: float
    steps: int
    slices: list[float]
    busy: list[float]


class Slices(trio.abc.Instrument):
    """How long each task step took that the loop had to wait for."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Begin again."""
        self.steps = 0
        self._slices: list[float] = []
        self._busy: list[float] = []
        self._since = time.perf_counter()
        self._begin, self._begin_busy = self._since, time.thread_time()

    def told(self) -> Told:
        """What is known so far."""
        took_s = time.perf_counter() - self._since
        return Told(took_s, self.steps, sorted(self._slices, reverse=True), sorted(self._busy, reverse=True))

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._begin_busy = time.thread_time()
        self._begin = time.perf_counter()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        took = time.perf_counter() - self._begin
        busy = time.thread_time() - self._begin_busy
        self.steps += 1
        if took >= SHORT_S:
            self._slices.append(took)
        if busy >= SHORT_S:
            self._busy.append(busy)


def held(node: Node) -> int:
    """Batches on this node's disk."""
    return sum(line.applied.number for line in node.loop.peer.ledger.durable.lines.values())


async def live(folder: Path, seeds: tuple[Address, ...]) -> None:
    """Run until standard input ends. The first line there is the number of batches to wait for; 0: none."""
    slices = Slices()
    trio.lowlevel.add_instrument(slices)
    async with open_node(folder, Options(seeds=seeds)) as node:
        spare_the_loop()
        slices.clear()
        with node.listen(100_000) as announcements:
            _say(str(node.address.port))
            wanted = int(await trio.to_thread.run_sync(sys.stdin.readline))
            while held(node) < wanted:
                await announcements.receive()
        _say(msgspec.json.encode(slices.told()).decode())
        await trio.to_thread.run_sync(sys.stdin.readline)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    found = tuple(Address("127.0.0.1", int(port)) for port in sys.argv[2:])
    trio.run(live, Path(sys.argv[1]), found)
