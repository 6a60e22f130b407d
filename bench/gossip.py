"""Twenty real peers on one machine's loopback: how quick news is, how soon a death is known, what silence costs.

Three processes with five peers each, and five with one. Moments are of the machine's monotonic clock. Others may have used the same
processors meanwhile: each row tells the load.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import trio
from msgspec import Struct

from bench.colonies import Colonies, ColonyProcess, colonies
from bench.colony import Counted, Done
from bench.measure import Measure, at_most

SHARED = tuple(tuple(f"h{host}n{number}" for number in range(5)) for host in range(3))
ALONE = tuple((f"s{number}",) for number in range(5))
EVENTS = 40
BURSTS = 3
BURST = 200
KILLS = 30
CALM_S = 5.0  # After a start: links are agreed, rosters compared.
IDLE_S = 60.0
EVENT_S, BURST_S = 0.5, 5.0  # What has not come by then is missing.
DEAD_S = 20.0


Detail = dict[str, float | int | str]


class Spreading(Struct, frozen=True):
    """How an order to write came out: seconds from its beginning to the last peer that shows all, and what lacks there."""

    last_s: float
    acknowledged: int
    missing: int


def measures(kills: int = KILLS) -> Iterator[Measure]:
    """The figures of twenty real peers."""
    with tempfile.TemporaryDirectory() as folder:
        yield from trio.run(_all, Path(folder), kills)


async def _all(folder: Path, kills: int) -> list[Measure]:
    async with colonies(folder, (*SHARED, *ALONE)) as mesh:
        await trio.sleep(CALM_S)
        found = [*await _events(mesh), *await _bursts(mesh), *await _idle(mesh)]
        return [*found, *await _kills(mesh, kills)]


async def _events(mesh: Colonies) -> list[Measure]:
    """One write after the other, at each peer in turn."""
    names = [name for process in mesh.processes for name in process.names]
    found = [await _spread(mesh, names[number % len(names)], 1, EVENT_S) for number in range(EVENTS)]
    lasts = [one.last_s for one in found]
    missing = sum(one.missing for one in found)
    detail = _busy() | {"median_s": round(median(lasts), 4), "events": EVENTS, "missing": missing}
    return [at_most("gossip.event", max(lasts), 0.1, "s from a write to the last of 20, the slowest", detail)]


async def _bursts(mesh: Colonies) -> list[Measure]:
    found = []
    used_s: list[float] = []
    for _ in range(BURSTS):
        before = sum(process.cpu_s() for process in mesh.processes)
        found.append(await _spread(mesh, ALONE[0][0], BURST, BURST_S))
        used_s.append(sum(process.cpu_s() for process in mesh.processes) - before)
    lasts = [one.last_s for one in found]
    missing = sum(one.missing for one in found)
    detail = _busy() | {"slowest_s": round(max(lasts), 3), "cpu_s": round(median(used_s), 3), "missing": missing}
    return [at_most("gossip.burst", median(lasts), 1.0, f"s from {BURST} writes at once to the last (median)", detail)]


async def _spread(mesh: Colonies, name: str, count: int, within_s: float) -> Spreading:
    """Write at one peer, and see when all show all."""
    await mesh.count()
    done = await mesh.put(name, count)
    await trio.sleep(within_s)
    return _came(done, await mesh.count(), mesh.size)


def _came(done: Done, counted: Counted, size: int) -> Spreading:
    moments = [shown[batch] for batch in done.batches for shown in counted.shown.values() if batch in shown]
    return Spreading(max(moments) - done.began, len(done.batches), len(done.batches) * size - len(moments))


async def _idle(mesh: Colonies) -> list[Measure]:
    """A minute in which nothing happens: what one peer takes of a processor and of the network."""
    await trio.sleep(CALM_S)
    alone = [process for process in mesh.processes if len(process.names) == 1]
    before, used = await mesh.count(), [process.cpu_s() for process in alone]
    began = time.monotonic()
    await trio.sleep(IDLE_S)
    spent = [process.cpu_s() - was for process, was in zip(alone, used, strict=True)]
    after, took_s = await mesh.count(), time.monotonic() - began
    sent = [(after.sent[name] - before.sent[name]) / took_s for name in after.sent]
    received = [(after.received[name] - before.received[name]) / took_s for name in after.received]
    cpu: Detail = {"most": round(max(spent) / took_s * 1e3, 2), "peers": len(alone)}
    told: Detail = {"most": round(max(sent)), "received": round(median(received)), "peers": len(sent)}
    return [
        at_most("gossip.idle_cpu", median(spent) / took_s * 1e3, 10.0, "ms per second of one peer", _busy() | cpu),
        at_most("gossip.idle_bytes", median(sent), 300.0, "bytes per second that one peer sends", _busy() | told),
    ]


async def _kills(mesh: Colonies, kills: int) -> list[Measure]:
    """Peers in processes of their own are killed in turn, and come back."""
    alone = [process for process in mesh.processes if len(process.names) == 1]
    lasts: list[float] = []
    false = unheard = 0
    for number in range(kills):
        victim = alone[number % len(alone)]
        known = await settled_kill(mesh, victim)
        lasts += [max(known.values())] if known else []
        unheard += mesh.size - 1 - len(known)
        false += await _wrong(mesh, victim)
        await mesh.restart(victim)
    counts = {"kills": kills, "false_verdicts": false, "survivors_not_told": unheard}
    detail = _busy() | {"median_s": round(median(lasts), 3)} | counts
    return [at_most("gossip.kill", max(lasts), 4.2, "s from SIGKILL to the last of 19 survivors, the slowest", detail)]


async def settled_kill(mesh: Colonies, victim: ColonyProcess) -> dict[str, float]:
    """Kill, and see after how many seconds each survivor holds the victim down."""
    at = await victim.kill()
    known: dict[str, float] = {}
    with trio.move_on_after(DEAD_S):
        while len(known) < mesh.size - 1:
            await trio.sleep(0.1)
            told = [note for note in mesh.notes(at) if note.said == "member.down" and note.member in victim.names]
            known = {note.node: note.at - at for note in reversed(told)}
    return known


async def _wrong(mesh: Colonies, victim: ColonyProcess) -> int:
    """Verdicts since the last look on somebody who was not killed."""
    said = [note for note in mesh.notes() if note.said == "member.down" and note.member not in victim.names]
    mesh.forget()
    return len(said)


def _busy() -> Detail:
    return {"load": round(os.getloadavg()[0], 2)}
