"""How a node's writes get to its disks, and what the node says when they don't.

Invariant: every ticket is answered, stored or refused with a reason; the status that others see follows the newest answer.
"""

from collections.abc import Awaitable, Callable, Sequence

import trio

from mesh.crdt.damage import Damaged
from mesh.crdt.replica import MemoryReplica, Table, Write, Writes
from mesh.effects import Emit
from mesh.errors import DamagedRow, StorageError
from mesh.events import Publish
from mesh.runtime.announcer import Announcer
from mesh.runtime.disks import Disks
from mesh.runtime.node import Node
from mesh.runtime.pages import Pages
from mesh.runtime.rows import STORAGE_TOPIC
from mesh.storage.environment import LmdbReplica
from mesh.storage.faults import NotWritable
from mesh.storage.lazy import LazyWriter
from mesh.storage.readers import SWEEP_S
from mesh.storage.writer import Writer

READ_ONLY, FAILING, OK = "read-only", "failing", "ok"


def attach_storage(node: Node, disks: Disks, announcer: Announcer) -> Callable[[], Awaitable[None]]:
    """Start the writer threads. Returns what closes them, after storing what they were given."""
    node.notes = disks.notes
    node.look_at_disk = disks.ledger.readers.look
    node.storage = f"{READ_ONLY}: {disks.refusal}" if disks.refusal else OK

    def on_damage(damaged: DamagedRow) -> None:
        node.loop.tell_soon(Damaged(Table(damaged.table), damaged.key))

    disks.ledger.on_damage = on_damage
    pages, token = Pages(node, announcer), trio.lowlevel.current_trio_token()
    disks.ledger.on_unreadable = lambda problem: token.run_sync_soon(pages.tell, str(problem))
    post, close_soft = _soft_writer(disks.soft, announcer)
    if disks.refusal:
        node.loop.attach_storage(_refusing(node, disks.refusal), post)
        return close_soft

    def on_done(tickets: Sequence[int], error: StorageError | None) -> None:
        _say(node, error)
        node.loop.on_stored(tickets, error)
        if error is not None:
            writer.resume(tickets[-1])

    writer = Writer(disks.ledger, on_done)
    node.loop.attach_storage(writer.submit, post)

    async def close() -> None:
        await writer.aclose()
        await close_soft()

    return close


async def watch_disk(node: Node, disks: Disks) -> None:
    """Tell the others of a disk that takes no writes, and take away the slots of dead readers, until cancelled."""
    if disks.refusal:
        node.loop.tell(Publish(STORAGE_TOPIC, {"status": READ_ONLY, "reason": disks.refusal}))
    while True:
        await trio.sleep(SWEEP_S)
        disks.ledger.sweep()


def _say(node: Node, error: StorageError | None) -> None:
    said = OK if error is None else str(error)
    if said == node.storage:
        return
    node.storage = said
    if node.damaged_page:  # That is worse, and is said already.
        return
    node.loop.tell(Publish(STORAGE_TOPIC, None if error is None else {"status": FAILING, "reason": said}))


def _refusing(node: Node, refusal: str) -> Callable[[int, Writes], None]:
    def refuse(ticket: int, writes: Writes) -> None:
        node.loop.on_stored((ticket,), NotWritable(f"this node only reads: {refusal}"))

    return refuse


def _soft_writer(
    soft: LmdbReplica | MemoryReplica, announcer: Announcer
) -> tuple[Callable[[tuple[Write, ...]], None], Callable[[], Awaitable[None]]]:
    """What takes the writes nobody waits for, and what closes it."""
    if isinstance(soft, LmdbReplica):

        def on_fault(error: StorageError) -> None:
            announcer.tell(Emit("storage.soft", {"reason": str(error)}))

        lazy = LazyWriter(soft, on_fault)
        return lazy.post, lazy.aclose

    async def nothing() -> None:
        """Memory needs no closing."""

    return soft.write, nothing
