"""Damaged rows come back from peers, and two equal ledgers with unequal states notice and heal.

Invariant: what is damaged reaches nobody, and what comes in is believed for its hash and signature alone.
"""

from collections.abc import Callable

import pytest

from mesh.crdt.batch import Batch, decode_batch, encode_batch
from mesh.crdt.damage import Damaged
from mesh.crdt.fingerprint import read_fingerprint
from mesh.crdt.replica import MemoryReplica, Table, Write
from mesh.crdt.verify import verify_replica
from mesh.effects import Emit, Stream
from mesh.events import Received
from mesh.messages import FoundBatches, WantBatches
from sim.trust import CheapTrust
from tests.crdt.site import MESH
from tests.gossip.circle import address, node
from tests.test_peer import RECORD, Loop

TABLES = (Table.BATCHES, Table.CELLS, Table.BUCKETS, Table.CONTEXT, Table.CERTIFICATES)


def met(*names: str) -> Loop:
    """Peers that agree on a few writes of each."""
    loop = Loop(*(names or ("ada", "bob"))).run(10)
    for number in range(6):
        loop.put("ada" if number % 2 else "bob", {"a": number, f"f{number}": number}, number)
        loop.run(1)
    return loop


def rows(disk: MemoryReplica) -> dict[Table, list[tuple[bytes, bytes]]]:
    return {table: list(disk.scan(table)) for table in TABLES}


def is_whole(disk: MemoryReplica) -> bool:
    return verify_replica(disk, MESH, CheapTrust("x")).is_whole


def other(row: bytes) -> bytes:
    """A batch with a byte of its content changed: it can be read, and is not what was signed."""
    batch = decode_batch(row)
    assert b"note" in batch.content
    return encode_batch(Batch(batch.content.replace(b"note", b"nose"), batch.signature))


def told(loop: Loop, who: str, name: str) -> list[str]:
    return [str(e.about["reason"]) for at, e in loop.told if at == who and isinstance(e, Emit) and e.name == name]


def test_equal_ledgers_with_unequal_states_notice_and_the_wrong_one_heals() -> None:
    loop = met()
    disk = loop.disks["bob"][0]
    before = rows(disk)
    key, row = next((k, r) for k, r in disk.scan(Table.CELLS) if b"f2" in k)
    wrong = next(r for k, r in disk.scan(Table.CELLS) if b"f3" in k)
    loop.dark.add("bob")
    disk.write([Write(Table.CELLS, key, wrong), Write(Table.BUCKETS, *_moved(disk, key, row, wrong))])
    assert read_fingerprint(disk) != read_fingerprint(loop.disks["ada"][0])
    loop.dark.clear()
    loop.start("bob", seeds=("ada",))
    loop.run(20)
    assert told(loop, "ada", "storage.unequal")
    assert told(loop, "bob", "storage.unequal")
    assert told(loop, "ada", "storage.mended") == []
    assert [str(RECORD) in said and "f2" in said for said in told(loop, "bob", "storage.mended")] == [True]
    assert rows(disk) == before
    assert is_whole(disk)


def _moved(disk: MemoryReplica, key: bytes, row: bytes, wrong: bytes) -> tuple[bytes, bytes]:
    """The bucket as a fault of the program would leave it: moved along with the wrong cell."""
    from mesh.crdt.cell import decode_cell, encode_cell
    from mesh.crdt.fingerprint import bucket_of, shift, weigh

    bucket = bytes([bucket_of(key)])
    old, new = (sum(weigh(MESH, key, encode_cell((s,))) for s in decode_cell(cell)) for cell in (row, wrong))
    by = new - old
    return bucket, shift(disk.get(Table.BUCKETS, bucket), by)


def test_equal_states_are_not_compared_and_held_batches_raise_no_alarm() -> None:
    loop = met()
    loop.run(60)
    assert loop.events("storage.unequal", "storage.damaged", "storage.mended") == []


SPOILS: dict[str, Callable[[bytes], bytes | None]] = {"changed": other, "gone": lambda row: None}


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("count", [1, 3])
def test_damaged_batches_come_back_from_a_peer(spoil: str, count: int) -> None:
    loop = met()
    disk = loop.disks["bob"][0]
    before = rows(disk)
    spoilt = list(disk.scan(Table.BATCHES))[-count:]  # The newest of a chain is named by the context, the others by it.
    disk.write([Write(Table.BATCHES, key, SPOILS[spoil](row)) for key, row in spoilt])
    for key, _ in spoilt:
        loop.tell("bob", Damaged(Table.BATCHES, key))
    assert rows(disk) != before
    loop.run(20)
    assert rows(disk) == before
    assert len(told(loop, "bob", "storage.damaged")) == count
    assert told(loop, "bob", "storage.mended")
    assert told(loop, "ada", "peer.malformed") == []


def test_damaged_batches_are_served_to_nobody() -> None:
    loop = met()
    disk = loop.disks["bob"][0]
    for key, row in list(disk.scan(Table.BATCHES)):
        disk.write([Write(Table.BATCHES, key, other(row))])
    heads = loop.peers["ada"].ledger.durable.heads()
    asked = loop.tell("bob", Received(node("ada"), address("ada"), WantBatches(heads)))
    assert [effect.message for effect in asked if isinstance(effect, Stream)] == [FoundBatches(())]


def test_a_certificate_comes_back_from_a_peer() -> None:
    loop = met()
    disk = loop.disks["bob"][0]
    before = rows(disk)
    key = before[Table.CERTIFICATES][0][0]
    disk.write([Write(Table.CERTIFICATES, key, None)])
    loop.tell("bob", Damaged(Table.CERTIFICATES, key))
    loop.run(10)
    assert rows(disk) == before


def test_a_line_a_fate_and_a_bucket_are_made_again_without_a_peer() -> None:
    loop = met()
    loop.dark.add("ada")
    disk = loop.disks["bob"][0]
    before = rows(disk)
    line, bucket = before[Table.CONTEXT][0][0], before[Table.BUCKETS][0][0]
    fate = before[Table.BATCHES][0][0]
    spoilt = [Write(Table.CONTEXT, line, b"?"), Write(Table.BUCKETS, bucket, b"?"), Write(Table.FATES, fate, b"?")]
    disk.write(spoilt)
    for write in spoilt:
        loop.tell("bob", Damaged(write.table, write.key))
    loop.run(10)
    assert rows(disk) == before
    assert list(disk.scan(Table.FATES)) == []


def test_a_batch_that_is_not_the_wanted_one_takes_nobodys_place() -> None:
    loop = met()
    disk = loop.disks["bob"][0]
    key, row = list(disk.scan(Table.BATCHES))[-1]
    loop.dark.add("ada")
    disk.write([Write(Table.BATCHES, key, None)])
    loop.tell("bob", Damaged(Table.BATCHES, key))
    batch = decode_batch(row)
    for offered in (decode_batch(other(row)), Batch(batch.content, b"forged")):
        loop.tell("bob", Received(node("ada"), address("ada"), FoundBatches((offered,))))
    loop.run(1)
    assert disk.get(Table.BATCHES, key) is None
    assert len(told(loop, "bob", "peer.malformed")) == 1
    loop.tell("bob", Received(node("ada"), address("ada"), FoundBatches((batch,))))
    loop.run(1)
    assert disk.get(Table.BATCHES, key) == row
