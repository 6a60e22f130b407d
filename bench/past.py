"""What asking the past costs on a log of 100,000 batches, and how long it keeps the loop from other work at a time."""

import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import trio

from bench.measure import Measure, at_most
from mesh.api.blaming import blame
from mesh.api.past import diff, history, show_at
from mesh.api.proof_shapes import ProveField
from mesh.api.provenance import DiffRecord, RecordBlame, RecordHistory, ShowAt
from mesh.api.proving import prove
from mesh.api.reading import SLICE_S
from mesh.api.undo_shapes import UndoWindow
from mesh.api.undoing import undo
from mesh.crdt.compose import Put
from mesh.crdt.effects import Store
from mesh.crdt.ends import DOMAIN, End, SignedEnd, sign_end
from mesh.crdt.events import Compose, Stored
from mesh.crdt.ledger import Ledger
from mesh.ids import NO_BATCH, RecordId, WriterId
from mesh.runtime.identity import Identity, create_mesh, create_node, load_admin
from mesh.runtime.interpreter import spare_the_loop
from mesh.runtime.node import Node, Options
from mesh.runtime.start import open_node
from mesh.runtime.trust import KeyTrust
from mesh.storage.environment import LEDGER_TABLES, LmdbReplica
from mesh.storage.writer import write_now

BATCHES = 100_000
RECORDS = 2_000  # One more is changed in every twentieth batch.
GROUP = 500
SINCE = 1_700_000_000.0
TAKEN = (1, 100, 1_000)  # Batches and records that an end takes.
BUSY = RecordId("variable", "busy")


def measures() -> Iterator[Measure]:
    """The figures of the past."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        create_mesh(place / "mesh", "bench")
        fill(create_node(place / "a", "a", place / "mesh"))
        thieves = [create_node(place / f"t{size}", f"t{size}", place / "mesh") for size in TAKEN]
        writers = [steal(thief, place / "a", size) for thief, size in zip(thieves, TAKEN, strict=True)]
        yield from trio.run(_asked, place / "a")
        admin = load_admin(place / "mesh")
        ends = [
            sign_end(End(DOMAIN, admin.mesh, writer, 0, NO_BATCH, b"", "bench", "eva", 7), admin.sign)
            for writer in writers
        ]
        yield from trio.run(_ended, place / "a", ends)


def fill(identity: Identity) -> None:
    """A log of `BATCHES` in the node's own folder."""
    path = identity.folder / "data" / "ledger"
    replica = LmdbReplica.open(path, LEDGER_TABLES, mesh=identity.mesh, durable=False)
    ledger = Ledger(identity.mesh, KeyTrust(identity), replica, identity.certificate_der, secrets.token_bytes)
    stores: list[Store] = []
    for number in range(BATCHES):
        record = BUSY if number % 20 == 0 else RecordId("variable", f"v{number % RECORDS:05}")
        author = "tom" if number % 1_000 < 20 else "eva"
        edits = (Put(record, "value", number), Put(record, f"f{number % 7}", "a value of 24 bytes long"))
        effects = ledger.handle(Compose(number, edits, author, {"reason": "bench"}), SINCE + number)
        stores += [effect for effect in effects if isinstance(effect, Store)]
        if len(stores) == GROUP or number == BATCHES - 1:
            write_now(replica, [write for store in stores for write in store.writes])
            for store in stores:
                ledger.handle(Stored(store.ticket), SINCE + number)
            stores.clear()
    replica.close()


def steal(thief: Identity, victim: Path, size: int) -> WriterId:
    """So many batches by another writer in that node's log, each over a value of another record. Who wrote them."""
    replica = LmdbReplica.open(victim / "data" / "ledger", LEDGER_TABLES, mesh=thief.mesh, durable=False)
    ledger = Ledger(thief.mesh, KeyTrust(thief), replica, thief.certificate_der, secrets.token_bytes)
    for number in range(size):
        record = RecordId("variable", f"v{number:05}")
        effects = ledger.handle(Compose(number, (Put(record, "value", number),), "kim"), SINCE + BATCHES + number)
        for store in effects:
            if isinstance(store, Store):
                write_now(replica, store.writes)
                ledger.handle(Stored(store.ticket), SINCE + BATCHES + number)
    replica.close()
    return ledger.writer


class Longest(trio.abc.Instrument):
    """The longest step that any task took without giving others their turn, in time of this thread: the machine may be busy."""

    def __init__(self) -> None:
        self.step_s = 0.0
        self._began = time.thread_time()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._began = time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.step_s = max(self.step_s, time.thread_time() - self._began)


async def _asked(folder: Path) -> list[Measure]:
    first, last = SINCE, SINCE + BATCHES
    of, at, half = BUSY.collection, BUSY.key, (first + last) / 2
    preview = UndoWindow(whose="tom", since=first, until=last, preview=True)
    asked: dict[str, Callable[[Node], Awaitable[object]]] = {
        "history": lambda node: history(node, RecordHistory(collection=of, key=at, limit=1000)),
        "blame": lambda node: blame(node, RecordBlame(collection=of, key=at)),
        "show_at": lambda node: show_at(node, ShowAt(collection=of, key=at, at=half)),
        "diff": lambda node: diff(node, DiffRecord(collection=of, key=at, a=half, b=last)),
        "prove": lambda node: prove(node, ProveField(collection=of, key=at, field="f5", chain=True)),
        "undo_preview": lambda node: undo(node, preview),
        "undo": lambda node: undo(node, UndoWindow(whose="tom", since=first, until=last)),
    }
    return await _measured(folder, asked)


async def _ended(folder: Path, ends: list[SignedEnd]) -> list[Measure]:
    def applying(end: SignedEnd) -> Callable[[Node], Awaitable[object]]:
        return lambda node: node.take_ends((end,))

    named = {f"end_of_{size}": applying(end) for size, end in zip(TAKEN, ends, strict=True)}
    return await _measured(folder, named)


async def _measured(folder: Path, asked: dict[str, Callable[[Node], Awaitable[object]]]) -> list[Measure]:
    """How long each thing asked takes, and its longest step."""
    found: list[Measure] = []
    async with open_node(folder, Options()) as node:
        await trio.sleep(0.1)
        spare_the_loop()  # As a node's process does when it is up.
        for name, ask in asked.items():
            longest = Longest()
            trio.lowlevel.add_instrument(longest)
            began = time.perf_counter()
            await ask(node)
            took = time.perf_counter() - began
            trio.lowlevel.remove_instrument(longest)
            detail: dict[str, float | int | str] = {"whole_s": round(took, 3), "batches": BATCHES}
            found.append(at_most(f"past.{name}", longest.step_s * 1000, SLICE_S * 1000, "ms (longest step)", detail))
    return found
