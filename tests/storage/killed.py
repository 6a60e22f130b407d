"""Kill a process that acknowledges writes, and see whether each of them is there afterwards: `python -m tests.storage.killed DIR`.

Invariant: the parent has the file open only while no child runs. It prints how many writes were acknowledged, or what was lost.
"""
# ruff: noqa: T201  (printing is this script's work)

import os
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import trio

from mesh.crdt.replica import Table, Write
from mesh.errors import StorageError
from mesh.ids import MeshId
from mesh.storage.environment import LEDGER_TABLES, LmdbReplica
from mesh.storage.writer import Writer

CYCLES = 20
IN_FLIGHT = 8
NUMBER_BYTES = 8


def opened(path: Path) -> LmdbReplica:
    return LmdbReplica.open(path, LEDGER_TABLES, mesh=MeshId(b"m" * 16), durable=True)


def key(number: int) -> bytes:
    return number.to_bytes(NUMBER_BYTES, "big")


def pair(number: int) -> Sequence[Write]:
    """Two writes that have to be there together."""
    return (Write(Table.BATCHES, key(number), b"b" * 500), Write(Table.CELLS, key(number), b"c" * 500))


async def acknowledge(path: Path, first: int, pipe: int) -> None:
    """Write pairs from `first` on, and send the number of each through the pipe once it is durable. Never ends."""
    asked, answered = trio.open_memory_channel[int](IN_FLIGHT)

    def done(tickets: Sequence[int], error: StorageError | None) -> None:
        assert error is None, error
        for ticket in tickets:
            os.write(pipe, key(ticket))
            asked.send_nowait(ticket)

    writer = Writer(opened(path), done)
    for number in range(first, first + IN_FLIGHT):
        writer.submit(number, pair(number))
    number = first + IN_FLIGHT
    async for _ in answered:
        writer.submit(number, pair(number))
        number += 1


def cycle(path: Path, first: int, enough: int) -> int:
    """Run a child until it has acknowledged `enough` pairs, kill it, and return the number of the last acknowledged one."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        trio.run(acknowledge, path, first, writing)
    os.close(writing)
    with open(reading, "rb") as pipe:
        heard = pipe.read(NUMBER_BYTES * enough)
        os.kill(child, signal.SIGKILL)
        heard += pipe.read()  # What was acknowledged in the meantime counts as well.
    os.waitpid(child, 0)
    return int.from_bytes(heard[-NUMBER_BYTES:], "big")


def missing(path: Path, last: int) -> list[int]:
    """The pairs up to `last` that are not there, and later ones of which only half is."""
    replica = opened(path)
    with replica.read() as reader:
        halves = [{k for k, _ in reader.scan(table)} for table in (Table.BATCHES, Table.CELLS)]
    replica.close()
    lost = {key(number) for number in range(last + 1)} - (halves[0] & halves[1])
    return sorted(int.from_bytes(k, "big") for k in lost | (halves[0] ^ halves[1]))


def main() -> None:
    path, chance, first = Path(sys.argv[1]), random.Random(4), 0
    for _ in range(CYCLES):
        last = cycle(path, first, chance.randint(1, 60))
        lost = missing(path, last)
        if lost:
            sys.exit(f"acknowledged up to {last}, and lost {lost}")
        first = last + 1
    print(f"{first} acknowledged, none lost")


if __name__ == "__main__":
    main()
