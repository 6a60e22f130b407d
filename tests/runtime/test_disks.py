"""A disk that takes no writes, or has damaged what a node reads when it starts.

Invariant: as long as anything can be read, the node starts and reads it.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import trio

from mesh.config import StorageConfig
from mesh.crdt.names import node_name
from mesh.crdt.replica import Table
from mesh.errors import StorageError
from mesh.runtime.backups import LEDGER, verify_node
from mesh.runtime.identity import load_node
from mesh.runtime.node import Node
from mesh.storage.environment import LEDGER_TABLES, LmdbReplica
from mesh.storage.files import DATA_NAME
from mesh.storage.seals import Seals
from tests.runtime.meshes import QUICK, make_folders, put, running, until
from tests.runtime.scenes_of_disks import LARGE, fill, value_at

WALKS = 17  # All parts of the cells once.
SCRUBBING = msgspec.structs.replace(QUICK, storage=StorageConfig(scrub_interval_s=0.01, scrub_pause_s=0.001))

pytestmark = pytest.mark.live


def may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode == 0


mounts = pytest.mark.skipif(
    not may_mount(), reason="this machine gives nobody a mount namespace of their own (unshare -rm)"
)


def play(scene: str, place: Path, mount: str) -> None:
    """Run a scene behind a mount that only it sees."""
    script = f'set -e; {mount}; exec "$0" -m tests.runtime.scenes_of_disks {scene} "{place}"'
    command = ["unshare", "-rm", "sh", "-c", script, sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.endswith("well\n"), done.stderr[-3000:]


async def written(place: Path) -> None:
    make_folders(place, "a", "b")
    async with running(place, "a", "b") as (a, b):
        await b.wait_until_covered(await put(a, "x", 1), 10.0)


@mounts
async def test_a_node_on_a_read_only_disk_reads_and_says_so(tmp_path: Path) -> None:
    await written(tmp_path)
    folder = tmp_path / "a"
    play("read-only", tmp_path, f'mount --bind "{folder}" "{folder}"; mount -o remount,bind,ro "{folder}"')


@mounts
@pytest.mark.parametrize("scene", ["full", "full-at-start"])
def test_a_node_on_a_full_disk_reads_on(scene: str, tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    data = tmp_path / "a" / "data"
    data.mkdir()
    play(scene, tmp_path, f'mount -t tmpfs -o size=4m tmpfs "{data}"')


async def test_a_full_map_refuses_writes_and_goes_on_reading_and_a_larger_one_takes_them(tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    small = msgspec.structs.replace(QUICK, storage=StorageConfig(map_bytes=1 << 20))
    async with running(tmp_path, "a", config=small) as (a,):
        await put(a, "x", 1)
        with pytest.raises(StorageError, match="map_bytes"):
            await fill(a)
        assert (value_at(a, "x"), value_at(a, "large 0")) == (1, LARGE)
        assert "map_bytes" in a.storage
    async with running(tmp_path, "a") as (a,):
        await put(a, "y", 2)
        assert a.storage == "ok"


async def test_a_write_that_came_while_the_disk_failed_stands_on_what_is_stored(tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    small = msgspec.structs.replace(QUICK, storage=StorageConfig(map_bytes=1 << 20))
    told: list[str] = []

    async def tell(node: Node, key: str, value: object) -> None:
        try:
            await put(node, key, value)
            told.append("stored")
        except StorageError as error:
            told.append(str(error))

    async with running(tmp_path, "a", config=small) as (a,):
        with pytest.raises(StorageError, match="map_bytes"):
            await fill(a)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tell, a, "large", LARGE)
            for number in range(10):
                await trio.lowlevel.checkpoint()
                nursery.start_soon(tell, a, f"small {number}", number)
    assert len(told) == 11
    assert all(said == "stored" or "map_bytes" in said for said in told), told
    assert not any("was lost" in said for said in told), told


def flip(folder: Path, table: Table) -> int:
    """Flip one bit of every row of a table in the closed ledger of the node in `folder`. Returns how many rows there are."""
    mesh = load_node(folder).mesh
    replica = LmdbReplica.open_read_only(folder / LEDGER, LEDGER_TABLES, mesh=mesh)
    with replica.read() as reader:
        found = [Seals(mesh).close(table, *row) for row in reader.scan(table)]
    replica.close()
    file = folder / LEDGER / DATA_NAME
    content = file.read_bytes()
    for stored in found:
        assert stored in content
        content = content.replace(stored, stored[:-1] + bytes([stored[-1] ^ 1]))
    file.write_bytes(content)
    return len(found)


@pytest.mark.parametrize(
    "table", [Table.CONTEXT, Table.BUCKETS, Table.META, Table.CERTIFICATES, Table.CELLS, Table.BATCHES]
)
async def test_a_node_starts_over_a_damaged_table_and_is_whole_in_the_end(table: Table, tmp_path: Path) -> None:
    await written(tmp_path)
    assert flip(tmp_path / "a", table) > 0
    assert table is Table.META or not verify_node(tmp_path / "a").is_whole
    async with running(tmp_path, "b", "a", config=SCRUBBING) as (b, a):
        token = await put(b, "y", 2)
        assert await a.wait_until_covered(token, 10.0)
        walks = a.health().scrubs
        await until(lambda: a.health().damaged == 0 and a.health().scrubs >= walks + WALKS)
        assert (value_at(a, "x"), value_at(a, "y")) == (1, 2)
        token = await put(a, "z", 3)
        assert await b.wait_until_covered(token, 10.0)
        assert a.health().fingerprint == b.health().fingerprint
    assert verify_node(tmp_path / "a").is_whole
    assert verify_node(tmp_path / "b").is_whole


async def test_names_of_nodes_that_a_disk_has_damaged_are_read_from_the_certificates_again(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    async with running(tmp_path, "a", "b") as (a, b):
        assert await a.wait_until_covered(await put(b, "x", 1), 10.0)
        writer = b.loop.peer.ledger.writer
    assert flip(tmp_path / "a", Table.META) > 0
    async with running(tmp_path, "a") as (a,):
        with a.read() as reader:
            assert node_name(reader, writer) == "b"
