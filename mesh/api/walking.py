"""Long looks at the log and at many records, in slices: the loop does other work between two of them.

Invariant: no reader is open across an `await`; a slice ends at the first step after WALK_S.
"""

import time
from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

import trio

from mesh.api.reading import SLICE_S, Position
from mesh.crdt.history import START, Place, scan_log
from mesh.crdt.replica import Reader, Table
from mesh.runtime.node import Node

WALK_S = SLICE_S / 2  # The rest of a slice is for the step that goes over it: a batch may hold 64 KiB.

Look = Callable[[Reader, Place, bytes], None]
T = TypeVar("T")
U = TypeVar("U")


async def walk(node: Node, position: Position, look: Look, after: Place = START) -> None:
    """Look at every row of the log within a position, behind a place."""
    place: Place | None = after
    while place is not None:
        with node.read() as reader:
            place = _walk_for_a_while(reader, position, place, look)
        await trio.lowlevel.checkpoint()


def _walk_for_a_while(reader: Reader, position: Position, after: Place, look: Look) -> Place | None:
    end = time.perf_counter() + WALK_S
    for place, row in scan_log(reader, position, after):
        look(reader, place, row)
        if time.perf_counter() > end:
            return place
    return None


async def walk_table(node: Node, table: Table, look: Callable[[Reader, bytes, bytes], None]) -> None:
    """Look at every row of a table, by key. What changes meanwhile behind where it is is not seen."""
    after: bytes | None = b""
    while after is not None:
        with node.read() as reader:
            after = _walk_on(reader, table, after, look)
        await trio.lowlevel.checkpoint()


def _walk_on(reader: Reader, table: Table, after: bytes, look: Callable[[Reader, bytes, bytes], None]) -> bytes | None:
    end = time.perf_counter() + WALK_S
    for key, row in reader.scan(table, b"", after):
        look(reader, key, row)
        if time.perf_counter() > end:
            return key
    return None


async def each(node: Node, items: Sequence[T], make: Callable[[Reader, T], U]) -> list[U]:
    """What `make` says of each item, with a reader for it. What it reads must not change: the log, or what is read anew."""
    made: list[U] = []
    while len(made) < len(items):
        end = time.perf_counter() + WALK_S
        with node.read() as reader:
            while len(made) < len(items) and time.perf_counter() <= end:
                made.append(make(reader, items[len(made)]))
        await trio.lowlevel.checkpoint()
    return made


async def run(steps: Generator[object, None, T]) -> T:
    """Carry out a generator that holds no reader; what it returns."""
    end = time.perf_counter() + WALK_S
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            result: T = ended.value
            return result
        if time.perf_counter() > end:
            await trio.lowlevel.checkpoint()
            end = time.perf_counter() + WALK_S
