"""How long a peer's loop is held while clients read 100,000 records: steps of tasks, turns of the loop, garbage collections.

The peer counts them itself (`mesh.runtime.meter`) and says so in its health and in `/metrics`; here the counts before a phase are
taken from those after it. A p99 or max is the upper bound of its bucket, so it is never told shorter than it was.
"""

import os
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import trio
from msgspec import Struct

from bench.measure import Measure, at_most
from mesh.client.client import MeshClient
from mesh.demo.processes import peers

RECORDS = 100_000
PER_BATCH = 120  # Of two fields each: one batch holds 256 changes.
CLIENTS = 4  # That read all of it at once.
LOADERS = 2
_BUCKET = re.compile(r'^(mesh_\w+_seconds)_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)

Buckets = dict[str, dict[float, float]]


class Held(Struct, frozen=True):
    """How long the loop was held in one phase, in ms, by buckets."""

    p99: float
    max: float
    count: int


def measures() -> Iterator[Measure]:
    """The figures of the loop."""
    with tempfile.TemporaryDirectory() as folder:
        yield from trio.run(_read_by_many, Path(folder))


async def _read_by_many(folder: Path) -> list[Measure]:
    async with peers(folder, ["a"]) as (a,), _clients(a.url) as clients:
        await _load(clients[:LOADERS])
        phases: dict[str, Callable[[MeshClient], Awaitable[None]]] = {
            "list": _list_all,
            "filter": _filter,
            "watch": _snapshot,
        }
        found: list[Measure] = []
        for name, read in phases.items():
            before = await _buckets(a.url)
            await _all_at_once(read, clients)
            found.append(_measure(name, before, await _buckets(a.url)))
        return found


async def _all_at_once(read: Callable[[MeshClient], Awaitable[None]], clients: list[MeshClient]) -> None:
    async with trio.open_nursery() as nursery:
        for client in clients:
            nursery.start_soon(read, client)


@asynccontextmanager
async def _clients(url: str) -> AsyncIterator[list[MeshClient]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(MeshClient([url])) for _ in range(CLIENTS)]


async def _load(clients: list[MeshClient]) -> None:
    async def load(lane: int, client: MeshClient) -> None:
        for first in range(lane * PER_BATCH, RECORDS, PER_BATCH * len(clients)):
            numbers = range(first, min(first + PER_BATCH, RECORDS))
            await client.submit([_put(number) for number in numbers])

    async with trio.open_nursery() as nursery:
        for lane, client in enumerate(clients):
            nursery.start_soon(load, lane, client)


def _put(number: int) -> dict[str, object]:
    value = {"value": number, "labels": {"zone": f"z{number % 100}"}}
    return {"op": "put", "collection": "variable", "key": f"bench/{number:06}", "value": value}


async def _list_all(client: MeshClient) -> None:
    assert len(await client.records("variable")) == RECORDS


async def _filter(client: MeshClient) -> None:
    assert len(await client.records("variable", labels={"zone": "z7"})) == RECORDS // 100


async def _snapshot(client: MeshClient) -> None:
    seen = 0
    async with client.watch("variable") as events:
        async for event in events:
            seen += event.type == "SNAPSHOT"
            if event.type == "SYNC":
                break
    assert seen == RECORDS, seen


async def _buckets(url: str) -> Buckets:
    async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=30) as client:
        text = (await client.get("/metrics")).text
    found: Buckets = {}
    for name, bound, count in _BUCKET.findall(text):
        found.setdefault(name, {})[float(bound.replace("+Inf", "inf"))] = float(count)
    return found


def _measure(name: str, before: Buckets, after: Buckets) -> Measure:
    step, turn, gc = (
        _held(before[f"mesh_{what}_seconds"], after[f"mesh_{what}_seconds"])
        for what in ("loop_step", "loop_turn", "gc_pause")
    )
    detail: dict[str, float | int | str] = {
        "step_max_ms": step.max,
        "turn_p99_ms": turn.p99,
        "turn_max_ms": turn.max,
        "turns": turn.count,
        "gc_max_ms": gc.max,
        "load": round(os.getloadavg()[0], 2),  # On a busy machine it is other processes that hold the loop.
        "clients": CLIENTS,
        "records": RECORDS,
    }
    return at_most(f"api.loop_slice.{name}", step.p99, 5.0, "ms, p99 of the steps (upper bound)", detail)


def _held(before: dict[float, float], after: dict[float, float]) -> Held:
    cumulative = [(bound, after[bound] - before[bound]) for bound in sorted(after)]
    count = cumulative[-1][1]

    def bound_of(share: float) -> float:
        return round(next((bound for bound, seen in cumulative if seen >= share * count), 0.0) * 1e3, 3)

    return Held(bound_of(0.99), bound_of(1.0), round(count))
