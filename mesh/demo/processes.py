"""Peers as processes of their own: started, killed with SIGKILL, started again.

Invariant: every process started here has ended when the context ends, and a peer keeps its folder and port over its lives.
"""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Protocol

import trio
from msgspec import Struct

from mesh.errors import MeshError
from mesh.runtime.identity import create_mesh, create_node

START_S_MAX = 30.0  # A loaded laptop imports the libraries in a second or two.
STOP_S_MAX = 15.0  # Units stop within ten seconds.
PROGRAM = (sys.executable, "-c", "from mesh.cli import main; main()")


class PeerFailed(MeshError):
    """A peer process did not start. The message holds the end of its journal."""


class Ready(Struct, frozen=True):
    """What `mesh up --json` prints once it serves."""

    name: str
    url: str
    address: str
    node: str


class Spawned(Protocol):
    """A process, as `trio.Process` shows one."""

    @property
    def pid(self) -> int:
        """Its number."""
        ...

    @property
    def stdout(self) -> trio.abc.ReceiveStream | None:
        """What it prints."""
        ...

    def kill(self) -> None:
        """End it without warning."""

    def terminate(self) -> None:
        """Ask it to end."""

    def poll(self) -> int | None:
        """None while it runs."""

    async def wait(self) -> int:
        """Wait until it has ended."""
        ...


Spawn = Callable[[Sequence[str], IO[bytes]], Awaitable[Spawned]]


def by_program(program: Sequence[str]) -> Spawn:
    """Starts the command `mesh` that `program` names, with arguments and a journal for its stderr."""

    async def spawn(arguments: Sequence[str], journal: IO[bytes]) -> Spawned:
        return await trio.lowlevel.open_process([*program, *arguments], stdout=subprocess.PIPE, stderr=journal)

    return spawn


class PeerProcess:
    """One peer, over all its lives. `spawn` starts the command `mesh` with given arguments."""

    def __init__(self, folder: Path, name: str, spawn: Spawn | None = None) -> None:
        self.name = name
        self._folder = folder
        self._spawn = spawn or by_program(PROGRAM)
        self._process: Spawned | None = None
        self.ready: Ready | None = None

    @property
    def pid(self) -> int:
        """Its process, in its present life."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def url(self) -> str:
        """Where it serves clients."""
        assert self.ready is not None, f"{self.name} was never started"
        return self.ready.url

    async def start(self, seeds: list[str]) -> None:
        """Start the process and wait until it serves. Raises PeerFailed."""
        port = self.ready.address.rpartition(":")[2] if self.ready is not None else "0"
        seeding = [part for seed in seeds for part in ("--seed", seed)]
        arguments = ["up", str(self._folder), "--port", port, "--json", *seeding]
        with self._journal.open("ab") as journal:
            self._process = await self._spawn(arguments, journal)
        line = await self._first_line()
        if not line:
            raise PeerFailed(f"{self.name} did not start. The end of {self._journal}:\n{self._last_words()}")
        self.ready = Ready(**json.loads(line))

    async def _first_line(self) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        line = b""
        with trio.move_on_after(START_S_MAX):
            while not line.endswith(b"\n"):
                piece = await self._process.stdout.receive_some(4096)
                if not piece:
                    return b""
                line += piece
        return line

    def kill(self) -> None:
        """End it without warning, as a power cut of its machine would. Nothing happens where it has ended."""
        assert self._process is not None
        self._process.kill()

    async def stop(self) -> None:
        """Ask it to leave, and wait; kill it if it does not."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
        with trio.move_on_after(STOP_S_MAX):
            await self._process.wait()
        if self._process.poll() is None:
            self._process.kill()
            await self._process.wait()

    @property
    def _journal(self) -> Path:
        return self._folder.with_suffix(".journal")

    def _last_words(self) -> str:
        return "\n".join(self._journal.read_text(errors="replace").splitlines()[-10:])


@asynccontextmanager
async def peers(folder: Path, names: list[str], spawn: Spawn | None = None) -> AsyncIterator[list[PeerProcess]]:
    """Make what is missing in `folder`, start a process for each name, and end them all."""
    if not (folder / "mesh").exists():
        create_mesh(folder / "mesh", "demo")
    found = [PeerProcess(folder / name, name, spawn) for name in names]
    for peer in found:
        if not (folder / peer.name).exists():
            create_node(folder / peer.name, peer.name, folder / "mesh")
    try:
        await found[0].start([])
        async with trio.open_nursery() as nursery:
            for peer in found[1:]:
                nursery.start_soon(peer.start, seeds_for(peer, found))
        yield found
    finally:
        with trio.CancelScope(shield=True):
            await _stop_all(found)


async def _stop_all(found: list[PeerProcess]) -> None:
    async with trio.open_nursery() as nursery:
        for peer in found:
            nursery.start_soon(peer.stop)


def seeds_for(peer: PeerProcess, others: list[PeerProcess]) -> list[str]:
    """The addresses of up to two other peers that were started before."""
    return [other.ready.address for other in others if other is not peer and other.ready is not None][:2]
