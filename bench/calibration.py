"""The simulator against sixteen real peers with the same delay and loss between them: medians of the same things, side by side.

News is compared far apart, where the delay is large against what a busy machine adds; verdicts and silence near together, because
the shaper refuses a stream at once, and the simulated network after a round trip.
"""

import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from statistics import median

import trio
from msgspec import Struct

from bench.colonies import Colonies, ColonyProcess, colonies
from bench.gossip import settled_kill
from bench.measure import Measure, at_most
from bench.shaper import Shape, Shaper
from mesh.cli.up import parse_address
from sim.experiments.worlds import quiet
from sim.run import SimulatedMesh

FAR, NEAR = Shape(delay_s=0.2, loss=0.02), Shape(delay_s=0.01, loss=0.02)
SHARED = tuple(tuple(f"c{host}n{number}" for number in range(4)) for host in range(3))
ALONE = tuple((f"a{number}",) for number in range(4))
NODES = 16
EVENTS = 32
KILLS = 8
CALM_S = 20.0  # Links are agreed, and round trips known.
IDLE_S = 40.0
AWAY = 0.1


class Medians(Struct, frozen=True):
    """What is compared: seconds, and bytes per node and second of a mesh in which nothing happens."""

    one_s: float
    all_s: float
    first_down_s: float
    last_down_s: float
    idle_byte_s: float


def measures() -> Iterator[Measure]:
    """A row for each median."""
    with tempfile.TemporaryDirectory() as far, tempfile.TemporaryDirectory() as near:
        news, silence = trio.run(_shaped, Path(far), FAR, _news), trio.run(_shaped, Path(near), NEAR, _silence)
    real = Medians(*news, *silence)
    simulated = _simulated()
    load = round(os.getloadavg()[0], 2)
    for name in Medians.__struct_fields__:
        ours, theirs = getattr(simulated, name), getattr(real, name)
        detail: dict[str, float | int | str] = {"simulated": round(ours, 4), "real": round(theirs, 4), "load": load}
        yield at_most(f"gossip.calibration.{name}", abs(ours / theirs - 1.0), AWAY, "away from real peers", detail)


Measuring = Callable[[Colonies, Shaper], Awaitable[tuple[float, ...]]]


async def _shaped(folder: Path, shape: Shape, measuring: Measuring) -> tuple[float, ...]:
    """What is measured in a mesh of real peers with this network between them."""
    async with trio.open_nursery() as nursery:
        shaper = Shaper(shape, Random(1), nursery)
        nursery.start_soon(shaper.run)
        groups = (*SHARED, *ALONE)
        hosts = {name: f"127.0.1.{number}" for number, name in enumerate(_names(groups), 1)}
        async with colonies(folder, groups, hosts, shaper.open) as mesh:
            await trio.sleep(CALM_S)
            found = await measuring(mesh, shaper)
        nursery.cancel_scope.cancel()
    return found


async def _news(mesh: Colonies, _: Shaper) -> tuple[float, ...]:
    names = _names((*SHARED, *ALONE)) * (EVENTS // NODES)
    found = [await _spread(mesh, name) for name in names]
    return median(one for some, _ in found for one in some), median(last for _, last in found)


async def _silence(mesh: Colonies, shaper: Shaper) -> tuple[float, ...]:
    idle = await _idle(mesh)
    downs = [await _kill(mesh, shaper, number) for number in range(KILLS)]
    return median(map(min, downs)), median(map(max, downs)), idle


def _names(groups: Sequence[Sequence[str]]) -> list[str]:
    return [name for group in groups for name in group]


async def _idle(mesh: Colonies) -> float:
    before, began = await mesh.count(), time.monotonic()
    await trio.sleep(IDLE_S)
    after, took_s = await mesh.count(), time.monotonic() - began
    return sum(after.sent[name] - before.sent[name] for name in after.sent) / took_s / NODES


async def _spread(mesh: Colonies, name: str) -> tuple[list[float], float]:
    """From where a write shows at its origin to where it shows at each other peer, and at the last."""
    await mesh.count()
    done = await mesh.put(name, 1)
    await trio.sleep(2.0)
    counted = await mesh.count()
    (batch,) = done.batches
    since = counted.shown[name][batch]
    others = [shown[batch] - since for node, shown in counted.shown.items() if node != name and batch in shown]
    return others, max(others)


async def _kill(mesh: Colonies, shaper: Shaper, number: int) -> list[float]:
    victim: ColonyProcess = mesh.home(ALONE[number % len(ALONE)][0])
    at = parse_address(victim.addresses[victim.names[0]])
    shaper.refuse(at.port)
    known = await settled_kill(mesh, victim)
    await shaper.listen(at)
    await mesh.restart(victim)
    await trio.sleep(CALM_S / 4)
    return list(known.values())


def _simulated() -> Medians:
    idle = [_idle_simulated(seed) for seed in range(1, 6)]
    delays: list[float] = []
    lasts: list[float] = []
    for seed in range(1, 4):
        work = {"writes_per_s": 0.5, "from_s": CALM_S, "settle_s": 5.0}
        mesh = SimulatedMesh(quiet("writes", NODES, CALM_S + 85.0, network=_network(FAR), workload=work), seed)
        mesh.world.run(CALM_S + 84.0)
        delays += mesh.metrics.journal.delays_s
        lasts += [entry.last_s for entry, _ in mesh.metrics.journal.acknowledged() if entry.last_s]
    downs = [_crash_simulated(seed) for seed in range(1, 3 * KILLS + 1)]
    return Medians(median(delays), median(lasts), median(map(min, downs)), median(map(max, downs)), median(idle))


def _network(shape: Shape) -> dict[str, float]:
    plain = {"jitter_s": 0.0, "duplicates": 0.0, "reordered": 0.0}
    return plain | {"delay_s": shape.delay_s, "loss": shape.loss, "resend_s": shape.resend_s}


def _idle_simulated(seed: int) -> float:
    mesh = SimulatedMesh(quiet("idle", NODES, CALM_S + IDLE_S + 5.0, network=_network(NEAR)), seed)
    sent = []
    for at in (CALM_S, CALM_S + IDLE_S):
        mesh.world.run(at)
        sent.append(mesh.network.traffic.bytes)
    return (sent[1] - sent[0]) / IDLE_S / NODES


def _crash_simulated(seed: int) -> list[float]:
    crash = {"kind": "crash", "at_s": CALM_S, "within_s": 2.0, "silent": False}
    mesh = SimulatedMesh(quiet("crash", NODES, CALM_S + 25.0, network=_network(NEAR), faults=[crash]), seed)
    mesh.world.run(CALM_S + 20.0)
    return list(mesh.metrics.crashes[0].told_s.values())
