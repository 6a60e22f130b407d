"""The whole demonstration, in order: start, import, watch, crash, return, count.

Invariant: it runs for as long as was asked, whatever the scenes need, and counts at the end.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import trio
from msgspec import Struct

from mesh.client.client import MeshClient
from mesh.demo import scenes
from mesh.demo.processes import PeerProcess, peers
from mesh.demo.readings import (
    Clients,
    Reading,
    count_moving,
    read_peer,
    record_keys,
    state_of,
    unit_rows,
    wait_for_agreement,
    wait_for_everybody,
)
from mesh.demo.result import Result, quantiles
from mesh.errors import MeshError

JOIN_S_MAX = 30.0
START_S_MAX = 30.0  # Until the imported units have started.
REFRESH_S = 0.5


class Script(Struct, frozen=True):
    """What was asked for. `for_s` None: until interrupted."""

    folder: Path
    names: list[str]
    file: Path
    for_s: float | None
    crash: bool


Show = Callable[[list[Reading], str], None]
"""Shows the readings of all peers, and a line that says what is going on."""


class Story:
    """One run of the demonstration."""

    def __init__(self, script: Script, show: Show) -> None:
        self._script, self._show = script, show
        self._note = "starting"
        self.result = Result(peers=len(script.names), urls={}, setup_s=0.0)

    async def run(self) -> Result:
        """Play it. Raises MeshError where a step fails."""
        begin = time.perf_counter()
        async with peers(self._script.folder, self._script.names) as processes, _clients(processes) as clients:
            self.result.urls = {process.name: process.url for process in processes}
            self.result.setup_s = round(time.perf_counter() - begin, 3)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._show_for_ever, clients)
                await self._play(processes, clients)
                await self._count(clients)
                nursery.cancel_scope.cancel()
        return self.result

    async def _play(self, processes: list[PeerProcess], clients: Clients) -> None:
        ends_at = trio.current_time() + (self._script.for_s if self._script.for_s is not None else float("inf"))
        self._say("meeting")
        if not await wait_for_everybody(clients, len(clients), JOIN_S_MAX):
            raise MeshError("the peers did not find each other; their journals are beside their folders")
        first, last = processes[0], processes[-1]
        self._say(f"importing {self._script.file.name} at {first.name}")
        self.result.irregularities = await scenes.import_file(
            clients[first.name], self._script.file, self._script.names
        )
        await scenes.start_all(clients[first.name])
        await self._wait_until_started(clients)
        self._say(f"{scenes.PUTS} puts at {first.name}, watched at {last.name}")
        seen: list[float] = []
        with trio.move_on_at(ends_at):
            await scenes.put_to_watch(clients[first.name], clients[last.name], seen)
        self.result.put_to_watch_ms = quantiles(seen)
        if self._script.crash:
            await self._crash(processes, clients, ends_at)
        self._say("running" if self._script.for_s is not None else "running (Ctrl-C ends it)")
        await trio.sleep_until(ends_at)

    async def _crash(self, processes: list[PeerProcess], clients: Clients, ends_at: float) -> None:
        victim = processes[-1]
        half = ends_at - (self._script.for_s or 0.0) / 2
        self._say(f"running; {victim.name} is killed half-way")
        await trio.sleep_until(min(half, trio.current_time() + 30.0))
        self._say(f"{victim.name} killed with SIGKILL")
        self.result.crash = await scenes.crash(victim, processes, clients)
        await self._wait_until_started(clients)

    async def _wait_until_started(self, clients: Clients) -> None:
        """Wait until every peer shows every unit started that is to be started."""
        self._say("starting the units")
        with trio.move_on_after(START_S_MAX):
            for client in clients.values():
                wanted = len(await record_keys(client, "unit"))
                while await _count_started(client) < wanted:
                    await trio.sleep(0.2)

    async def _count(self, clients: Clients) -> None:
        self._say("counting")
        self.result.converged = await wait_for_agreement(clients)
        async with trio.open_nursery() as nursery:
            for name, client in clients.items():
                nursery.start_soon(self._count_one, name, client)

    async def _count_one(self, name: str, client: MeshClient) -> None:
        self.result.units[name] = len(await record_keys(client, "unit"))
        self.result.started[name] = await _count_started(client)
        self.result.moving[name] = await count_moving(client)

    def _say(self, note: str) -> None:
        self._note = note

    async def _show_for_ever(self, clients: Clients) -> None:
        while True:
            readings = [await self._read(name, client) for name, client in clients.items()]
            self._show(readings, self._note)
            await trio.sleep(REFRESH_S)

    @staticmethod
    async def _read(name: str, client: MeshClient) -> Reading:
        try:
            with trio.fail_after(1.0):
                return await read_peer(name, client)
        except (MeshError, OSError, trio.TooSlowError):
            return Reading(name, client.url, 0, {}, 0, "")


async def _count_started(client: MeshClient) -> int:
    return sum(row.reachable and state_of(row) == "START" for row in await unit_rows(client))


@asynccontextmanager
async def _clients(processes: list[PeerProcess]) -> AsyncIterator[Clients]:
    async with AsyncExitStack() as stack:
        yield {p.name: await stack.enter_async_context(MeshClient([p.url], author="demo")) for p in processes}
