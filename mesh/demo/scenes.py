"""The scenes of the demonstration: import, put to watch, crash and return.

Invariant: a scene works through the API alone, as any client would, and says what it measured.
"""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import trio

from mesh.client.answers import Event
from mesh.client.client import MeshClient
from mesh.demo.processes import PeerProcess, seeds_for
from mesh.demo.readings import POLL_S, Clients, record_keys, unit_rows, wait_for_everybody
from mesh.demo.result import Crash
from mesh.errors import MeshError, UsageError
from mesh.ids import RecordId
from mesh.importers import chaos_mdsconfig
from mesh.importers.plan import plan

PUTS = 1_000
DETECTION_S_MAX = 30.0
WRITE_PAUSE_S = 0.02
ACKNOWLEDGED = "demo/acknowledged/"


async def import_file(client: MeshClient, file: Path, hosts: list[str]) -> int:
    """Import an export at one peer and spread its units over `hosts`. Returns the number of irregularities."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror}", todo="name an MDSConfig export with --import"
        ) from None
    wanted = chaos_mdsconfig.read(content)
    held: dict[RecordId, dict[str, object]] = {}
    for collection in dict.fromkeys(record.collection for record in wanted.records):
        for record in await client.records(collection):
            held[RecordId(collection, record.key)] = record.value
    reason = f"import of {file.name}"
    for change in plan(held.get, wanted, hosts).changes:
        if change.before is None:
            await client.put(change.record.collection, change.record.key, change.value, reason=reason)
        else:
            await client.patch(change.record.collection, change.record.key, change.value, reason=reason)
    return len(wanted.irregularities)


async def start_all(client: MeshClient) -> None:
    """Want every unit started, also those that the file leaves off: the demonstration wants to see all of them move."""
    off = [record.key for record in await client.records("unit") if record.value.get("desired") != "START"]
    for key in off:
        await client.patch("unit", key, {"desired": "START"}, reason="the demonstration starts every unit")


async def put_to_watch(writer: MeshClient, watcher: MeshClient, seen: list[float]) -> None:
    """Collect in `seen` how many seconds pass from asking one peer for a put until a watch at another shows it."""
    async with watcher.watch("variable", prefix="demo/ping") as events:
        await _until_synced(events)
        for number in range(PUTS):
            begin = time.perf_counter()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_put, writer, "demo/ping", number)
                await _until(events, {"value": number})
                seen.append(time.perf_counter() - begin)


async def _until_synced(events: AsyncIterator[Event]) -> None:
    async for event in events:
        if event.type == "SYNC":
            return


async def _until(events: AsyncIterator[Event], value: object) -> None:
    async for event in events:
        if event.value == value:
            return


async def _put(client: MeshClient, key: str, value: object) -> None:
    await client.put("variable", key, {"value": value})


class Writes:
    """Writes at one peer until told to stop, and remembers which were acknowledged."""

    def __init__(self, client: MeshClient) -> None:
        self._client = client
        self.acknowledged: list[str] = []

    async def run(self) -> None:
        """Write a fresh variable every few milliseconds, until cancelled or until the peer is gone."""
        number = 0
        while True:
            key = f"{ACKNOWLEDGED}{number:06}"
            number += 1
            try:
                await _put(self._client, key, number)
            except (MeshError, OSError):
                return
            self.acknowledged.append(key)
            await trio.sleep(WRITE_PAUSE_S)

    async def missing(self, clients: Clients) -> int:
        """How many acknowledged writes some peer does not show."""
        lost: dict[str, None] = {}
        for client in clients.values():
            here = set(await record_keys(client, "variable", ACKNOWLEDGED))
            lost.update(dict.fromkeys(key for key in self.acknowledged if key not in here))
        return len(lost)


async def crash(victim: PeerProcess, others: list[PeerProcess], clients: Clients) -> Crash:
    """Kill a peer while it is written to, see who notices, start it again, and look for what was acknowledged."""
    scene = Crash(peer=victim.name)
    writes = Writes(clients[victim.name])
    survivors = {name: client for name, client in clients.items() if name != victim.name}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writes.run)
        await trio.sleep(2.0)
        victim.kill()
        killed_at = time.perf_counter()
        async with trio.open_nursery() as watching:
            for name, client in survivors.items():
                watching.start_soon(_detect, scene, name, client, killed_at)
        nursery.cancel_scope.cancel()
    scene.acknowledged_before = len(writes.acknowledged)
    await _look_at_orphans(scene, survivors)
    begin = time.perf_counter()
    await victim.start(seeds_for(victim, others))
    if await wait_for_everybody(clients, len(clients), DETECTION_S_MAX):
        scene.rejoined_s = round(time.perf_counter() - begin, 3)
    with trio.move_on_after(DETECTION_S_MAX):
        while scene.lost_acknowledged is None or scene.lost_acknowledged > 0:
            scene.lost_acknowledged = await writes.missing(clients)
    return scene


async def _detect(scene: Crash, name: str, client: MeshClient, killed_at: float) -> None:
    with trio.move_on_after(DETECTION_S_MAX):
        while not any(row.name == scene.peer and row.standing == "down" for row in await client.members()):
            await trio.sleep(POLL_S)
        scene.detected_s[name] = round(time.perf_counter() - killed_at, 3)


async def _look_at_orphans(scene: Crash, survivors: Clients) -> None:
    """How the survivors show the units of the killed peer: unreachable, as last known, with an age."""
    for name, client in survivors.items():
        orphans = [row for row in await unit_rows(client) if row.owner == scene.peer]
        scene.unreachable[name] = sum(not row.reachable for row in orphans)
        scene.oldest_s = max([scene.oldest_s, *(row.age_s for row in orphans)])
