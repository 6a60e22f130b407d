"""What SIGKILL at any moment costs: nothing that was acknowledged, and no start that needs hands.

Two peers are started and killed, and a checker (`bench.checker`) outlives them all. After each kill it reads the disk of the dead
peer, so no peer can give back what another has lost; at the end it asks both, and both ledgers are folded anew from their logs.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import IO

import msgspec
import trio

from bench.checker import Ask, Look, Order, Said, Write
from bench.hatchery import Hatchery, hatchery
from bench.measure import Measure, at_most
from mesh.demo.processes import PROGRAM, PeerFailed, PeerProcess, Spawned, by_program
from mesh.errors import MeshError
from mesh.runtime.backups import make_backup, verify_node
from mesh.runtime.identity import create_mesh, create_node

CYCLES = 200
LIFE_S_MAX = 0.6  # From the first write to the kill.
START_S_MAX = 0.4  # From the start of the process to the kill, where the start itself is what is cut short.
FRESH_SHARE = (
    0.1  # So many lives begin in an interpreter of their own; the others are forked from one with all imports done.
)
AGREE_S_MAX = 60.0
FOREVER = 1e6
KINDS = ("write", "start", "merge", "backup")
WEIGHTS = (55, 20, 15, 10)


class CheckerProcess:
    """The checker, one order at a time."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self.acknowledged = 0
        self.lost: list[str] = []

    async def ask(self, order: Order) -> Said:
        """Give an order and wait for its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        await self._process.stdin.send_all(msgspec.json.encode(order) + b"\n")
        line = b""
        while not line.endswith(b"\n"):
            piece = await self._process.stdout.receive_some(65_536)
            if not piece:
                raise MeshError("the checker ended before its time")
            line += piece
        said = msgspec.json.decode(line, type=Said)
        self.acknowledged = said.acknowledged
        return said

    async def look(self, order: Look | Ask) -> None:
        """Ask what is lost, and remember it."""
        self.lost += [key for key in (await self.ask(order)).lost if key not in self.lost]


@asynccontextmanager
async def checker_process() -> AsyncIterator[CheckerProcess]:
    """A checker for as long as the context lasts."""
    command = [sys.executable, "-m", "bench.checker"]
    process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield CheckerProcess(process)
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


class Lives:
    """Two peers, killed again and again."""

    def __init__(self, folder: Path, checker: CheckerProcess, hatchery: Hatchery, rng: Random) -> None:
        self.failed_starts: list[str] = []
        self.half_backups = 0
        self.cycles = dict.fromkeys(KINDS, 0)
        self._folder, self._checker, self._hatchery, self._rng = folder, checker, hatchery, rng
        self._one, self._two = (PeerProcess(folder / name, name, self._spawn) for name in ("one", "two"))

    async def _spawn(self, arguments: Sequence[str], journal: IO[bytes]) -> Spawned:
        if self._rng.random() < FRESH_SHARE:
            return await by_program(PROGRAM)(arguments, journal)
        return await self._hatchery.spawn(arguments, journal)

    async def cycle(self) -> None:
        """One life of peer `one`, and in a merge one of `two` as well; then what is on their disks."""
        kind = self._rng.choices(KINDS, WEIGHTS)[0]
        self.cycles[kind] += 1
        match kind:
            case "start":
                await self._kill_while_it_starts()
            case "merge":
                await self._kill_while_it_merges()
            case "backup":
                await self._kill_while_it_is_copied()
            case _:
                await self._kill_while_it_writes()
        await self._look(self._one)
        if kind == "merge":
            await self._look(self._two)

    async def end(self) -> None:
        """Both come back, agree, and are asked; then each ledger is folded anew, and copied."""
        await self._start(self._one, [])
        await self._start(self._two, [_address(self._one)])
        await self._ask_until_all_is_there()
        for peer in (self._one, self._two):
            await peer.stop()
            report = verify_node(self._folder / peer.name)
            assert report.is_whole, report.differences[0]
        make_backup(self._folder / "one", self._folder / "the last backup")

    async def _ask_until_all_is_there(self) -> None:
        with trio.move_on_after(AGREE_S_MAX):
            while await self._is_behind(self._one) or await self._is_behind(self._two):  # noqa: ASYNC110  (it waits for processes)
                await trio.sleep(0.5)
        for peer in (self._one, self._two):
            await self._checker.look(Ask(peer.url))

    async def _is_behind(self, peer: PeerProcess) -> bool:
        return bool((await self._checker.ask(Ask(peer.url))).lost)

    async def _start(self, peer: PeerProcess, seeds: list[str]) -> bool:
        try:
            await peer.start(seeds)
        except PeerFailed as fault:
            self.failed_starts.append(str(fault))
            return False
        return True

    async def _kill_while_it_writes(self) -> None:
        if await self._start(self._one, []):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._checker.ask, Write("one", self._one.url, FOREVER))
                await self._kill_in(self._one, LIFE_S_MAX)

    async def _kill_while_it_starts(self) -> None:
        """Its failing is ours here, so the next start is what tells whether hands are needed."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._start_to_be_killed)
            await self._kill_in(self._one, START_S_MAX)
        await self._kill_in(self._one, 0.0)  # It was faster than the system made the process.

    async def _start_to_be_killed(self) -> None:
        try:
            await self._one.start([])
        except PeerFailed:
            return

    async def _kill_while_it_merges(self) -> None:
        """`two` gets writes that `one` lacks; then `one` comes, merges them and is written to, and both are killed."""
        if not await self._start(self._two, []):
            return
        await self._checker.ask(Write("two", self._two.url, self._rng.random() * LIFE_S_MAX))
        if not await self._start(self._one, [_address(self._two)]):
            await self._kill_in(self._two, 0.0)
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._checker.ask, Write("one", self._one.url, FOREVER))
            await self._kill_in(self._one, LIFE_S_MAX)
        await self._kill_in(self._two, LIFE_S_MAX)

    async def _kill_while_it_is_copied(self) -> None:
        """A copy is made beside the writes; the peer is killed, and then the copying where it is not done."""
        if not await self._start(self._one, []):
            return
        target = self._folder / "backup"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._checker.ask, Write("one", self._one.url, FOREVER))
            command = ["backup", str(self._folder / "one"), str(target)]
            with open(os.devnull, "wb") as nowhere:  # noqa: ASYNC230  (it blocks nobody)
                copying = await self._hatchery.spawn(command, nowhere)
            await self._kill_in(self._one, 2 * LIFE_S_MAX)
        with trio.move_on_after(self._rng.random() * 2 * LIFE_S_MAX):
            await copying.wait()
        copying.kill()
        await copying.wait()
        if target.exists():
            self.half_backups += not (target / "backup.json").exists()
            await trio.to_thread.run_sync(_remove, target)

    async def _kill_in(self, peer: PeerProcess, at_most_s: float) -> None:
        await trio.sleep(self._rng.random() * at_most_s)
        peer.kill()
        await peer.stop()

    async def _look(self, peer: PeerProcess) -> None:
        await self._checker.look(Look(peer.name, str(self._folder / peer.name)))


def _address(peer: PeerProcess) -> str:
    assert peer.ready is not None
    return peer.ready.address


def _remove(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


async def kill_cycles(folder: Path, cycles: int, minutes: float, rng: Random) -> tuple[Lives, CheckerProcess]:
    """Start peers, write to them, kill them; again and again, and no new life after so many `minutes`."""
    create_mesh(folder / "mesh", "bench")
    for name in ("one", "two"):
        create_node(folder / name, name, folder / "mesh")
    async with hatchery() as hatching, checker_process() as checker:
        lives, until = Lives(folder, checker, hatching, rng), trio.current_time() + 60 * minutes
        for done in range(1, cycles + 1):
            if trio.current_time() > until:
                break
            await lives.cycle()
            if done % 25 == 0:
                print(f"{done} cycles, {checker.acknowledged} acknowledged, {len(checker.lost)} lost", file=sys.stderr)
        await lives.end()
    return lives, checker


def measures(cycles: int = CYCLES, minutes: float = FOREVER, seed: int = 1) -> Iterator[Measure]:
    """The figures of durability. Another seed kills at other moments."""
    with tempfile.TemporaryDirectory() as folder:
        lives, checker = trio.run(kill_cycles, Path(folder), cycles, minutes, Random(seed))
    detail: dict[str, float | int | str] = {
        "cycles": sum(lives.cycles.values()),
        "seed": seed,
        **lives.cycles,
        "acknowledged": checker.acknowledged,
    }
    yield at_most("durability.lost_acknowledged", len(checker.lost), 0, "writes", detail)
    failed = {"first": lives.failed_starts[0]} if lives.failed_starts else {}
    yield at_most("durability.failed_starts", len(lives.failed_starts), 0, "starts", {**detail, **failed})
    yield at_most("durability.half_backups", lives.half_backups, 0, "backups", detail)
