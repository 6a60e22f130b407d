"""The process that knows every acknowledged write, and outlives the peers that acknowledged it: `python -m bench.checker`.

Invariant: a value that a peer acknowledged is remembered before the next order is taken, and a dead peer's disk is read without
any peer that could give back what it lost.

One order per line of JSON comes on stdin, and one answer per line goes to stdout. Each key belongs to one task at one peer, and its
values only grow; so a key that shows less than was acknowledged has lost a write.
"""

import sys
from pathlib import Path

import lmdb
import msgspec
import trio
from msgspec import Struct

from mesh.client.client import MeshClient
from mesh.crdt.replica import Table
from mesh.crdt.view import read_record
from mesh.errors import MeshError
from mesh.ids import MeshId, RecordId
from mesh.storage.environment import LEDGER_TABLES, Snapshot
from mesh.storage.seals import Seals

IN_FLIGHT = 8
KEYS_OF_A_TASK = 128  # More than a life writes: what is looked at after a kill is nearly always of that life.


class Write(Struct, frozen=True, tag="write"):
    """Write to peer `name` at `url` until it goes away, or for `life_s`."""

    name: str
    url: str
    life_s: float


class Look(Struct, frozen=True, tag="look"):
    """Say what peer `name` acknowledged and its disk, in `folder`, does not have. The peer is dead."""

    name: str
    folder: str


class Ask(Struct, frozen=True, tag="ask"):
    """Say what any peer acknowledged and the living one at `url` does not show."""

    url: str


class Said(Struct, frozen=True):
    """The answer to each order: how many writes were acknowledged so far, and which keys of those asked for are behind."""

    acknowledged: int
    lost: list[str]


Order = Write | Look | Ask


class Checker:
    """What was acknowledged, by peer and key."""

    def __init__(self) -> None:
        self.acknowledged = 0
        self._newest: dict[str, dict[str, int]] = {}
        self._next = 0

    async def carry_out(self, order: Order) -> Said:
        """Do what was ordered."""
        match order:
            case Write(name, url, life_s):
                await self._write_all(self._newest.setdefault(name, {}), name, url, life_s)
                return Said(self.acknowledged, [])
            case Look(name, folder):
                return Said(self.acknowledged, _behind(self._newest.get(name, {}), _on_disk(Path(folder))))
            case Ask(url):
                everything = {key: value for newest in self._newest.values() for key, value in newest.items()}
                return Said(self.acknowledged, _behind(everything, await _at_peer(url)))

    async def _write_all(self, newest: dict[str, int], name: str, url: str, life_s: float) -> None:
        with trio.move_on_after(life_s):
            async with MeshClient([url], author="checker") as client, trio.open_nursery() as nursery:
                for task in range(IN_FLIGHT):
                    nursery.start_soon(self._write, newest, client, f"kill/{name}/{task}")

    async def _write(self, newest: dict[str, int], client: MeshClient, prefix: str) -> None:
        while True:
            self._next += 1
            value = self._next
            key = f"{prefix}/{value % KEYS_OF_A_TASK:03}"
            try:
                await client.put("variable", key, {"value": value})
            except (MeshError, OSError):
                return
            newest[key] = value
            self.acknowledged += 1


def _behind(newest: dict[str, int], found: dict[str, int]) -> list[str]:
    return [key for key, value in newest.items() if found.get(key, 0) < value]


def _on_disk(folder: Path) -> dict[str, int]:
    """The values in the file of a dead peer. Nothing is written to the file."""
    place = folder / "data" / "ledger"
    if not (place / "data.mdb").exists():
        return {}
    environment = lmdb.open(
        str(place), readonly=True, lock=False, create=False, max_dbs=len(LEDGER_TABLES) + 1, lib_version=0
    )
    try:
        databases = {Table.CELLS: environment.open_db(Table.CELLS.encode(), create=False)}
        about = environment.open_db(b"about", create=False)
        with environment.begin() as reading:
            mesh = MeshId(reading.get(b"mesh", db=about) or b"")
            return _values(Snapshot(reading, (databases, Seals(mesh))))
    except lmdb.NotFoundError:  # It was killed before it made its tables.
        return {}
    finally:
        environment.close()


def _values(reader: Snapshot) -> dict[str, int]:
    found: dict[str, int] = {}
    keys = dict.fromkeys(key.split(b"\0")[1].decode() for key, _ in reader.scan(Table.CELLS, b"variable\0kill/"))
    for key in keys:
        record = read_record(reader, RecordId("variable", key))
        value = record.fields().get("value") if record is not None else None
        if isinstance(value, int):
            found[key] = value
    return found


async def _at_peer(url: str) -> dict[str, int]:
    async with MeshClient([url], author="checker") as client:
        records = await client.records("variable", prefix="kill/", limit=1000)
    return {record.key: value for record in records if isinstance(value := record.value.get("value"), int)}


async def main() -> None:
    """Answer orders until stdin ends."""
    checker, decoder = Checker(), msgspec.json.Decoder[Order](Order)
    async for line in trio.wrap_file(sys.stdin):
        said = await checker.carry_out(decoder.decode(line))
        print(msgspec.json.encode(said).decode(), flush=True)


if __name__ == "__main__":
    trio.run(main)
