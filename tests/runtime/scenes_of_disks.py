"""What a node does on a disk that takes no writes, in a mount namespace: `python -m tests.runtime.scenes_of_disks SCENE PLACE`.

Invariant: a scene ends with the word `well`, or with the assertion that failed.
"""
# ruff: noqa: T201  (printing is this script's work)

import sys
from pathlib import Path

import pytest
import trio

from mesh.crdt.view import read_record
from mesh.errors import StorageError
from mesh.ids import RecordId
from mesh.runtime.node import Node
from tests.runtime.meshes import put, running, until

LARGE = "x" * 40_000
FILLER_BYTES = 1 << 20


def value_at(node: Node, key: str) -> object:
    with node.read() as reader:
        stored = read_record(reader, RecordId("variable", key))
    return stored.fields().get("value") if stored is not None else None


def disk_of(node: Node, name: str) -> str:
    """What `node` says of the disk of the member `name`."""
    return next(row.storage for row in node.members() if row.name == name)


async def fill(node: Node) -> None:
    """Write until the disk is full."""
    for number in range(1000):
        await put(node, f"large {number}", LARGE)


def fill_disk(filler: Path) -> None:
    """Take what is left of the disk."""
    with open(filler, "wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()


async def read_only(place: Path) -> None:
    """Node a lies on a read-only mount: it serves what it has, refuses writes, and everybody is told."""
    async with running(place, "b", "a") as (b, a):
        assert a.storage.startswith("read-only: ")
        assert value_at(a, "x") == 1
        with pytest.raises(StorageError, match="only reads"):
            await put(a, "y", 2)
        await put(b, "z", 3)
        await until(lambda: disk_of(b, "a") == "read-only")
        assert disk_of(a, "b") == ""
        await until(lambda: value_at(b, "x") == 1)
        assert value_at(a, "z") is None
        assert a.health().storage == a.storage


async def full(place: Path) -> None:
    """The disk of node a is full while it runs: reads go on, writes are refused, and work again once there is room."""
    filler = place / "a" / "data" / "filler"
    filler.write_bytes(bytes(FILLER_BYTES))
    async with running(place, "a") as (a,):
        await put(a, "x", 1)
        with pytest.raises(StorageError, match=r"no room|full"):
            await fill(a)
        assert a.storage != "ok"
        assert value_at(a, "x") == 1
        assert value_at(a, "large 0") == LARGE
        await until(lambda: disk_of(a, "a") == "failing")
        filler.unlink()
        await put(a, "after", 2)
        assert a.storage == "ok"
        assert value_at(a, "after") == 2
        await until(lambda: disk_of(a, "a") == "")


async def full_at_start(place: Path) -> None:
    """The disk of node a is full when it starts: it reads."""
    filler = place / "a" / "data" / "filler"
    async with running(place, "a") as (a,):
        await put(a, "x", 1)
    with pytest.raises(OSError, match="space"):
        fill_disk(filler)
    async with running(place, "a") as (a,):
        assert value_at(a, "x") == 1
        if a.storage != "ok":  # The free pages inside the file may be enough for one small commit.
            assert a.storage.startswith("read-only: ")
            with pytest.raises(StorageError, match="only reads"):
                await put(a, "y", 2)
    filler.unlink()
    async with running(place, "a") as (a,):
        await put(a, "y", 2)


SCENES = {"read-only": read_only, "full": full, "full-at-start": full_at_start}

if __name__ == "__main__":
    trio.run(SCENES[sys.argv[1]], Path(sys.argv[2]))
    print("well")
