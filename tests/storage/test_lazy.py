"""The lazy writer writes what was newest, and harms nobody when it can't.

Invariant: these tests run a real thread on real files; they wait for answers, never for time.
"""

from pathlib import Path

import pytest
import trio

from mesh.crdt.replica import Table, Write
from mesh.errors import StorageError
from mesh.ids import MeshId
from mesh.storage.environment import SOFT_TABLES, LmdbReplica
from mesh.storage.lazy import LazyWriter

FOR_EVER_S = 3600.0

pytestmark = pytest.mark.live


def opened(path: Path, map_bytes: int = 64 << 30) -> LmdbReplica:
    return LmdbReplica.open(path, SOFT_TABLES, mesh=MeshId(b"m" * 16), durable=False, map_bytes=map_bytes)


def stored(path: Path) -> list[tuple[bytes, bytes]]:
    replica = opened(path)
    with replica.read() as reader:
        rows = list(reader.scan(Table.BOARDS))
    replica.close()
    return rows


def never(problem: StorageError) -> None:
    raise AssertionError(problem)


async def test_closing_writes_the_newest_of_each_key_in_one_commit(tmp_path: Path) -> None:
    replica = opened(tmp_path)
    before = replica.commits
    writer = LazyWriter(replica, never, pause_s=FOR_EVER_S)
    for version in range(100):
        writer.post((Write(Table.BOARDS, b"ada", b"%d" % version), Write(Table.BOARDS, b"bob", b"%d" % version)))
    assert replica.commits == before
    await writer.aclose()
    assert stored(tmp_path) == [(b"ada", b"99"), (b"bob", b"99")]
    assert writer.dropped == 0


async def test_it_writes_by_itself_after_its_pause(tmp_path: Path) -> None:
    replica = opened(tmp_path)
    before = replica.commits
    writer = LazyWriter(replica, never, pause_s=0.0)
    writer.post((Write(Table.BOARDS, b"ada", b"1"),))
    with trio.fail_after(10):
        while replica.commits == before:
            await trio.lowlevel.checkpoint()
    await writer.aclose()
    assert stored(tmp_path) == [(b"ada", b"1")]


async def test_a_full_disk_is_told_and_the_next_commit_is_tried(tmp_path: Path) -> None:
    faults, heard = trio.open_memory_channel[StorageError](10)
    writer = LazyWriter(opened(tmp_path, map_bytes=1 << 20), faults.send_nowait, pause_s=0.0)
    writer.post([Write(Table.BOARDS, b"%d" % n, b"v" * 4000) for n in range(1000)])
    with trio.fail_after(10):
        assert "has reached the size that was reserved" in str(await heard.receive())
    writer.post((Write(Table.BOARDS, b"ada", b"1"),))
    await writer.aclose()
    assert stored(tmp_path) == [(b"ada", b"1")]


async def test_what_comes_after_closing_is_dropped_and_counted(tmp_path: Path) -> None:
    writer = LazyWriter(opened(tmp_path), never)
    await writer.aclose()
    writer.post((Write(Table.BOARDS, b"ada", b"1"),))
    assert writer.dropped == 1
    assert stored(tmp_path) == []
