"""Nodes in a few processes, as the benches of gossip start, order about and kill them.

Invariant: every process started here has ended when the context ends.
"""

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType

import msgspec
import trio

from bench.colony import Answer, Count, Counted, Done, Noted, Order, Put, Ready
from mesh.cli.up import parse_address
from mesh.ids import Address
from mesh.runtime.identity import create_mesh, create_node

PATIENCE_S = 60.0
LOOK_S = 0.2
STOP_S = 10.0
_answer = msgspec.json.Decoder(Answer)


class ColonyProcess:
    """One process with some nodes. `notes` are what they have said of members, in order."""

    def __init__(self, folder: Path, names: Sequence[str], hosts: Mapping[str, str]) -> None:
        self.names, self._folder, self._hosts = tuple(names), folder, hosts
        self.addresses: dict[str, str] = {}
        self.notes: list[Noted] = []
        self._answers: list[Ready | Done | Counted] = []
        self._answered = trio.Event()
        self.began = 0.0

    @property
    def pid(self) -> int:
        """The process, in its present life."""
        return self._process.pid

    async def start(self, nursery: trio.Nursery, seeds: Sequence[str]) -> None:
        """Start the process and wait until its nodes listen."""
        seeding = [part for seed in seeds for part in ("--seed", seed)]
        ports = [f"--port={address.rpartition(':')[2]}" for address in self.addresses.values()]
        hosts = [f"--advertise={self._hosts[name]}" for name in self.names if name in self._hosts]
        command = [sys.executable, "-m", "bench.colony", str(self._folder), *self.names, *seeding, *ports, *hosts]
        self.began = time.monotonic()
        self._process = await trio.lowlevel.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent
        )
        nursery.start_soon(self._listen, self._process)
        ready = await self._next()
        assert isinstance(ready, Ready), ready
        self.addresses = ready.addresses

    async def _listen(self, process: trio.Process) -> None:
        assert process.stdout is not None
        rest = b""
        with suppress(trio.BrokenResourceError):
            async for piece in process.stdout:
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    self._take(_answer.decode(line))
        self._answered.set()

    def _take(self, answer: Answer) -> None:
        if isinstance(answer, Noted):
            self.notes.append(answer)
        else:
            self._answers.append(answer)
            self._answered.set()

    async def _next(self) -> Ready | Done | Counted:
        with trio.fail_after(PATIENCE_S):
            while not self._answers:
                self._answered = trio.Event()
                await self._answered.wait()
        return self._answers.pop(0)

    async def ask(self, order: Order) -> Done | Counted:
        """Give an order and wait for its answer."""
        assert self._process.stdin is not None
        await self._process.stdin.send_all(msgspec.json.encode(order) + b"\n")
        answer = await self._next()
        assert not isinstance(answer, Ready), answer
        return answer

    async def tell_addresses(self, meet: Callable[[Address], Awaitable[None]]) -> None:
        """Tell where each node is, as others see it."""
        for address in self.addresses.values():
            await meet(parse_address(address))

    async def kill(self) -> float:
        """End it with SIGKILL. Returns the moment."""
        self._process.kill()
        at = time.monotonic()
        await self._process.wait()
        return at

    async def stop(self) -> None:
        """Let it leave; kill it if it does not."""
        if self._process.stdin is not None:
            await self._process.stdin.aclose()
        with trio.move_on_after(STOP_S):
            await self._process.wait()
        if self._process.poll() is None:
            self._process.kill()
            await self._process.wait()

    def cpu_s(self) -> float:
        """The processor time that all its threads have taken so far, to the nanosecond (Linux)."""
        taken = 0
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            taken += int(Path(f"/proc/{self.pid}/task/{thread}/schedstat").read_text().split()[0])
        return taken / 1e9


class Colonies:
    """All processes of one mesh."""

    def __init__(self, processes: list[ColonyProcess], nursery: trio.Nursery) -> None:
        self.processes, self._nursery = processes, nursery

    @property
    def size(self) -> int:
        """How many nodes there are."""
        return sum(len(process.names) for process in self.processes)

    def home(self, name: str) -> ColonyProcess:
        """The process of a node."""
        return next(process for process in self.processes if name in process.names)

    def notes(self, since: float = 0.0) -> list[Noted]:
        """What nodes have said of members since a moment, in order of time."""
        found = [note for process in self.processes for note in process.notes if note.at >= since]
        return sorted(found, key=lambda note: note.at)

    def forget(self) -> None:
        """Begin the notes anew."""
        for process in self.processes:
            process.notes.clear()

    async def count(self) -> Counted:
        """What all nodes count, together."""
        total = Counted({}, {}, {}, {})
        for process in self.processes:
            counted = await process.ask(Count())
            assert isinstance(counted, Counted), counted
            for mine, theirs in zip(msgspec.structs.astuple(total), msgspec.structs.astuple(counted), strict=True):
                mine.update(theirs)
        return total

    async def put(self, name: str, count: int) -> Done:
        """Write at one node."""
        done = await self.home(name).ask(Put(name, count))
        assert isinstance(done, Done), done
        return done

    async def restart(self, process: ColonyProcess) -> None:
        """Start a process that was killed, and wait until all see all."""
        await process.start(self._nursery, self.seeds(process))
        await self.wait_for_everybody()

    async def stop(self) -> None:
        """Let all leave."""
        for process in self.processes:
            await process.stop()

    async def wait_for_everybody(self) -> None:
        """Wait until each node holds all others well."""
        await self.wait_until(lambda counted: set(counted.reachable.values()) == {self.size - 1})

    async def wait_until(self, holds: Callable[[Counted], bool]) -> None:
        """Wait for what the counts show sooner or later."""
        with trio.fail_after(PATIENCE_S):
            while not holds(await self.count()):  # noqa: ASYNC110  (it waits for processes)
                await trio.sleep(LOOK_S)

    def seeds(self, process: ColonyProcess) -> list[str]:
        """Whom a process asks first: nodes of two others."""
        others = [other for other in self.processes if other is not process and other.addresses]
        return [next(iter(other.addresses.values())) for other in others[:2]]


async def nobody(at: Address) -> None:
    """Whom an address need not be told to."""


@asynccontextmanager
async def colonies(
    folder: Path,
    groups: Sequence[Sequence[str]],
    hosts: Mapping[str, str] = MappingProxyType({}),
    meet: Callable[[Address], Awaitable[None]] = nobody,
) -> AsyncIterator[Colonies]:
    """A mesh of the named nodes, one process for each group; all see all when it begins.

    `hosts` are those that nodes advertise, where they are not those at which they listen; `meet` is told each node's address.
    """
    create_mesh(folder / "mesh", "bench")
    for name in (name for group in groups for name in group):
        create_node(folder / name, name, folder / "mesh")
    async with trio.open_nursery() as nursery:
        found = Colonies([ColonyProcess(folder, group, hosts) for group in groups], nursery)
        try:
            for process in found.processes:
                await process.start(nursery, found.seeds(process))
                await process.tell_addresses(meet)
            await found.wait_for_everybody()
            yield found
        finally:
            with trio.CancelScope(shield=True):
                await found.stop()
            nursery.cancel_scope.cancel()
