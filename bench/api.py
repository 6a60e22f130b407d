"""How fast a client is served, over real sockets, by processes of their own.

What group commit allows is measured, not computed: the same writer thread on the same disk, fed with 32 tickets of two puts at a
time by a loop that does nothing else. `commit_ms` is one durable commit alone: 32 over it is what a thread without Python could do.
No request that is checked and answered in Python can come near either. The bar stays, so that the distance is seen.
"""

import os
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import trio

from bench.measure import Measure, at_least, cpu_s
from mesh.client.client import MeshClient
from mesh.crdt.replica import Table, Write
from mesh.demo.processes import peers
from mesh.demo.readings import wait_for_everybody
from mesh.demo.result import quantiles
from mesh.demo.scenes import put_to_watch
from mesh.errors import StorageError
from mesh.ids import MeshId
from mesh.storage.environment import LEDGER_TABLES, LmdbReplica
from mesh.storage.writer import Writer

IN_FLIGHT = 32
WRITING_S = 4.0
COMMITS = 100


def measures() -> Iterator[Measure]:
    """The figures of the API."""
    with tempfile.TemporaryDirectory() as folder:
        yield from trio.run(_served, Path(folder))


async def _served(folder: Path) -> list[Measure]:
    async with (
        peers(folder / "peers", ["a", "b"]) as (a, b),
        MeshClient([a.url]) as at_a,
        MeshClient([b.url]) as at_b,
    ):
        await wait_for_everybody({"a": at_a, "b": at_b}, 2, 30.0)
        seen: list[float] = []
        await put_to_watch(at_a, at_b, seen)
        used = [-cpu_s(pid) for pid in (a.pid, b.pid, os.getpid())]
        through_api, written = await _durable_writes_per_s(at_a)
        used = [before + cpu_s(pid) for before, pid in zip(used, (a.pid, b.pid, os.getpid()), strict=True)]
    found = quantiles(seen)
    assert found is not None
    allowed = await _group_commits_per_s(folder / "bare")
    commit_ms = _commit_ms(folder / "alone")
    detail: dict[str, float | int | str] = {"writes_per_s": round(through_api), "bare_per_s": round(allowed)}
    detail["commit_ms"] = round(commit_ms, 2)
    for name, taken in zip(("peer", "other_peer", "client"), used, strict=True):
        detail[f"{name}_cpu_us"] = round(taken / written * 1e6)  # Per write: what a busy machine leaves as it is.
    detail["load"] = round(os.getloadavg()[0], 2)
    return [
        Measure("api.put_to_watch", found.p50, "ms (median)", None, None, {"p99_ms": found.p99, "puts": found.count}),
        at_least("api.durable_writes", through_api / allowed, 0.5, "of bare group commit, 32 in flight", detail),
    ]


async def _durable_writes_per_s(client: MeshClient) -> tuple[float, int]:
    """Acknowledged puts per second with `IN_FLIGHT` asked for at once, and how many there were."""
    done = 0

    async def write(lane: int) -> None:
        nonlocal done
        number = 0
        while True:
            number += 1
            await client.put("variable", f"bench/{lane}", {"value": number})
            done += 1

    begin = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for lane in range(IN_FLIGHT):
            nursery.start_soon(write, lane)
        await trio.sleep(WRITING_S)
        nursery.cancel_scope.cancel()
    return done / (time.perf_counter() - begin), done


def _commit_ms(folder: Path) -> float:
    """One durable commit of one key of 300 bytes, on this disk: the median."""
    replica = LmdbReplica.open(folder, LEDGER_TABLES, mesh=MeshId(secrets.token_bytes(16)), durable=True)
    took_s: list[float] = []
    for number in range(COMMITS):
        begin = time.perf_counter()
        replica.write([Write(Table.CELLS, number.to_bytes(8, "big"), bytes(300))])
        took_s.append(time.perf_counter() - begin)
    replica.close()
    return 1e3 * median(took_s)


async def _group_commits_per_s(folder: Path) -> float:
    """Durable tickets per second of the writer thread alone: two keys of 300 bytes each, `IN_FLIGHT` at once."""
    replica = LmdbReplica.open(folder, LEDGER_TABLES, mesh=MeshId(secrets.token_bytes(16)), durable=True)
    stored = 0
    ticket = IN_FLIGHT

    def submit(number: int) -> None:
        writes = tuple(Write(Table.CELLS, number.to_bytes(8, "big") + bytes([part]), bytes(300)) for part in range(2))
        writer.submit(number, writes)

    def done(tickets: Sequence[int], error: StorageError | None) -> None:
        nonlocal stored, ticket
        assert error is None, error
        stored += len(tickets)
        for _ in tickets if running else ():
            ticket += 1
            submit(ticket)

    running = True
    writer = Writer(replica, done)
    begin = time.perf_counter()
    for number in range(1, IN_FLIGHT + 1):
        submit(number)
    await trio.sleep(WRITING_S / 2)
    rate = stored / (time.perf_counter() - begin)
    running = False
    await writer.aclose()
    return rate
