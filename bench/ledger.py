"""How fast the ledger is, against the bare library calls that it cannot do without."""

import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import quantiles
from time import thread_time

import lmdb
import trio
from msgspec import Struct

from bench.measure import Measure, at_least, at_most, median_of, seconds
from bench.reopening import reopenings
from mesh.crdt.batch import Batch
from mesh.crdt.compose import Put
from mesh.crdt.effects import Stocked, Store
from mesh.crdt.events import Compose, Merge, Stored
from mesh.crdt.ledger import Ledger
from mesh.crdt.lines import read_lines
from mesh.crdt.refold import Refold
from mesh.crdt.replica import MemoryReplica, Replica, Table
from mesh.crdt.scrub import GROUP_BUCKETS
from mesh.crdt.view import read_record
from mesh.errors import StorageError
from mesh.gossip.incoming import WINDOW
from mesh.gossip.outgoing import PARCEL_BATCHES, PARCEL_BYTES
from mesh.ids import MeshId, NodeId, RecordId
from mesh.runtime.identity import Identity, create_mesh, create_node
from mesh.runtime.interpreter import spare_the_loop
from mesh.runtime.trust import KeyTrust
from mesh.storage.environment import LEDGER_TABLES, LmdbReplica
from mesh.storage.writer import Writer

NOW = 1_800_000_000.0
REOPENED_FIELDS = 100_000
VALUE = "a value of 24 bytes long"


class Source(Struct, frozen=True):
    """A writer's batches, for others to take in."""

    identity: Identity
    batches: tuple[Batch, ...]

    @property
    def mesh(self) -> MeshId:
        """The mesh that the batches belong to."""
        return self.identity.mesh


def measures() -> Iterator[Measure]:
    """The figures of the ledger."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        create_mesh(place / "mesh", "bench")
        identity = create_node(place / "a", "a", place / "mesh")
        single = Source(identity, write_batches(identity, 2_000, 1))
        yield _single_changes(single, place)
        large = Source(identity, write_batches(identity, 300, 64))
        yield _large_batches(large, place)
        yield from _one_replica(large, place)
        many = Source(identity, write_batches(identity, REOPENED_FIELDS // 64 + 1, 64))
        yield from _reopen(many, place)


def write_batches(identity: Identity, count: int, changes: int) -> tuple[Batch, ...]:
    """Batches of fresh fields, 20 to a record."""
    replica = MemoryReplica()
    ledger = Ledger(identity.mesh, KeyTrust(identity), replica, identity.certificate_der, secrets.token_bytes)
    batches: list[Batch] = []
    for number in range(count):
        edits = tuple(_put(number * changes + index) for index in range(changes))
        for effect in ledger.handle(Compose(number, edits, "bench"), NOW):
            assert isinstance(effect, Store)
            replica.write(effect.writes)
            said = ledger.handle(Stored(effect.ticket), NOW)
            batches += [opened.batch for s in said if isinstance(s, Stocked) for opened in s.batches]
    return tuple(batches)


def _put(number: int) -> Put:
    record, field = divmod(number, 20)
    return Put(RecordId("unit", f"BENCH/GROUP/UNIT{record:06}"), f"attribute{field:02}", VALUE)


def take_in(source: Source, path: Path, threads: int | None = None) -> float:
    """A new replica at `path` takes in all batches as a node does. Returns the seconds until the last is stored and counts.

    `threads` check signatures; None: as many as a node uses on this machine.
    """
    spare_the_loop()
    return trio.run(_take_in, source, open_at(path, source), KeyTrust(source.identity, threads))


def open_at(path: Path, source: Source) -> LmdbReplica:
    """A ledger's file at `path`."""
    return LmdbReplica.open(path, LEDGER_TABLES, mesh=source.mesh, durable=True)


async def _take_in(source: Source, replica: LmdbReplica, trust: KeyTrust) -> float:
    """A message at a time, while the writer thread stores what came before: at most WINDOW messages wait for the disk."""
    certificate, room = source.identity.certificate_der, trio.Semaphore(WINDOW)
    ledger = Ledger(source.mesh, trust, replica, certificate, secrets.token_bytes)

    def on_done(tickets: Sequence[int], error: StorageError | None) -> None:
        assert error is None, error
        ledger.handle(Stored(tickets[-1]), NOW)
        for _ in tickets:
            room.release()

    writer = Writer(replica, on_done)
    begin = time.perf_counter()
    for group in _messages(source):
        await room.acquire()
        for effect in ledger.handle(Merge(NodeId(bytes(16)), group, (certificate,)), NOW):
            assert isinstance(effect, Store), effect
            writer.submit(effect.ticket, effect.writes)
    for _ in range(WINDOW):
        await room.acquire()
    took = time.perf_counter() - begin
    await writer.aclose()
    return took


def _messages(source: Source) -> Iterator[tuple[Batch, ...]]:
    """The batches as a node sends them to one that lacks them."""
    group: list[Batch] = []
    size = 0
    for batch in source.batches:
        if group and (size >= PARCEL_BYTES or len(group) == PARCEL_BATCHES):
            yield tuple(group)
            group, size = [], 0
        group.append(batch)
        size += len(batch.content)
    yield tuple(group)


def _take_in_s(source: Source, place: Path, threads: int | None = None) -> float:
    return take_in(source, place / secrets.token_hex(4), threads)


def _verify_s(source: Source) -> float:
    trust = KeyTrust(source.identity)
    key = trust.read_certificate(source.identity.certificate_der).key
    return seconds(lambda: [trust.verify(key, batch.signature, batch.content) for batch in source.batches])


def _single_changes(source: Source, place: Path) -> Measure:
    ratio = median_of(lambda: _verify_s(source) / _take_in_s(source, place))
    detail: dict[str, float | int | str] = {
        "verify_per_s": round(len(source.batches) / _verify_s(source)),
        "one_thread": round(median_of(lambda: _verify_s(source) / _take_in_s(source, place, 1)), 4),
    }
    return at_least("ledger.remote_batches", ratio, 0.6, "of bare verify rate", detail)


def _large_batches(source: Source, place: Path) -> Measure:
    changes = 64 * len(source.batches)

    def ratio(threads: int | None = None) -> float:
        return _bare_puts_s(source, place) / _take_in_s(source, place, threads)

    # A node merges such batches one by one (mesh/runtime/slices.py), so that a second thread never has a signature to check.
    detail: dict[str, float | int | str] = {"changes": changes, "all_threads": round(median_of(ratio), 4)}
    return at_least("ledger.large_batches", median_of(lambda: ratio(1)), 0.25, "of bare puts", detail)


def _bare_puts_s(source: Source, place: Path) -> float:
    """The same bytes, one put per change, sixteen batches to a transaction, with bare py-lmdb."""
    environment = lmdb.open(str(place / secrets.token_hex(4)), map_size=1 << 32)
    pieces = [
        [b.content[i * len(b.content) // 64 : (i + 1) * len(b.content) // 64] for i in range(64)]
        for b in source.batches
    ]

    def put_some(change: lmdb.Transaction, number: int) -> None:
        for index, piece in enumerate(pieces[number]):
            change.put(number.to_bytes(8, "big") + index.to_bytes(2, "big"), piece)

    def put_all() -> None:
        for start in range(0, len(pieces), 16):
            with environment.begin(write=True) as change:
                for number in range(start, min(start + 16, len(pieces))):
                    put_some(change, number)

    try:
        return seconds(put_all)
    finally:
        environment.close()


def _one_replica(source: Source, place: Path) -> Iterator[Measure]:
    path = place / secrets.token_hex(4)
    take_in(source, path)
    replica = open_at(path, source)
    yield _read_record(replica)
    yield _scrub(replica, source)
    replica.close()
    yield _disk(replica.path, source)


def _reopen(source: Source, place: Path) -> Iterator[Measure]:
    path = place / secrets.token_hex(4)
    take_in(source, path)
    yield from reopenings(path, place / "a", _put(0).record, 64 * len(source.batches))


def _read_record(replica: Replica) -> Measure:
    record = RecordId("unit", "BENCH/GROUP/UNIT000100")
    with replica.read() as reader:
        key, _ = next(iter(reader.scan(Table.CELLS, b"unit\0" + record.key.encode())))

    def view() -> None:
        for _ in range(1_000):
            with replica.read() as reader:
                assert read_record(reader, record) is not None

    def bare() -> None:
        for _ in range(1_000):
            with replica.read() as reader:
                reader.get(Table.CELLS, key)

    ratio = median_of(lambda: seconds(view) / seconds(bare))
    return at_most("ledger.read_record", ratio, 20, "× one bare get", {"fields": 20})


def _scrub(replica: Replica, source: Source) -> Measure:
    """The processor time of a step of the walk for a sixteenth of the cells: 99 of 100 are shorter."""
    steps_s: list[float] = []

    def walk() -> None:
        refold, before = Refold(source.mesh, tuple(range(GROUP_BUCKETS))), thread_time()
        with replica.read() as reader:
            lines = read_lines(reader)
            while refold.step(reader, lines) is None:
                now = thread_time()
                steps_s.append(now - before)
                before = now

    for _ in range(5):
        walk()
    detail: dict[str, float | int | str] = {
        "us_per_field": round(1e6 * sum(steps_s) / 5 / (64 * len(source.batches)), 2)
    }
    return at_most("ledger.scrub_step", 1e3 * quantiles(steps_s, n=100)[-1], 2.0, "ms", detail)


def _disk(path: Path, source: Source) -> Measure:
    compact = path.parent / secrets.token_hex(4)
    compact.mkdir()
    with lmdb.open(str(path), readonly=True, max_dbs=16, lock=False) as raw:
        raw.copy(str(compact), compact=True)
        tables = {table: _pages_bytes(raw, table) for table in LEDGER_TABLES}
    size = (compact / "data.mdb").stat().st_size
    log = sum(len(batch.content) + len(batch.signature) for batch in source.batches)
    fields = 64 * len(source.batches)
    detail: dict[str, float | int | str] = {
        "bytes_per_field": round(size / fields, 1),
        "log_per_field": round(log / fields, 1),
        **{f"{table}_per_field": round(taken / fields, 2) for table, taken in tables.items() if taken},
    }
    return at_most("ledger.disk", size / log, 4, "× its batch bytes", detail)


def _pages_bytes(environment: lmdb.Environment, table: Table) -> int:
    """What the pages of one table take, before compaction."""
    database = environment.open_db(table.encode(), create=False)
    with environment.begin() as reading:
        stat = reading.stat(database)
    return int((stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]) * stat["psize"])
