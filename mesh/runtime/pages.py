"""The pages of a running node's ledger are walked now and then, and a node with a damaged one says so (DESIGN §10).

Invariant: what looks is another process, so a page that ends whoever reads it ends that one; a damaged page is told once, and
stays in `storage` of the node's health until it is started again and has made the file anew (`runtime/rebuilding.py`).
"""

import subprocess
import sys
from pathlib import Path

import trio

from mesh.effects import Emit
from mesh.events import Publish
from mesh.runtime.announcer import Announcer
from mesh.runtime.disks import Disks
from mesh.runtime.node import Node
from mesh.runtime.rows import STORAGE_TOPIC
from mesh.storage.faults import RESTORE
from mesh.storage.files import DATA_NAME
from mesh.storage.opening import VERIFIED_BYTES_MAX

DAMAGED = "damaged"
TODO = (
    "Start this node again soon: it then makes the file anew from what can be read in it, and its peers send the rest."
)
SOON_S = 10.0  # Once the node has started: a large file that was closed properly is not walked at its opening.
WALK_S_MAX = 1800.0  # Some 11 ms per MB on an idle machine.


class Pages:
    """Keeps what was found out about the pages of one node's ledger."""

    def __init__(self, node: Node, announcer: Announcer) -> None:
        self._node, self._announcer = node, announcer

    def tell(self, reason: str) -> None:
        """A page is damaged. Only the first time anything is said."""
        if self._node.damaged_page:
            return
        said = f"{reason.removesuffix(RESTORE).rstrip('. ')}. {TODO}"
        self._node.damaged_page = said
        self._announcer.tell(Emit("storage.damaged", {"reason": said}))
        self._node.loop.tell_soon(Publish(STORAGE_TOPIC, {"status": DAMAGED, "reason": said}))


async def watch_pages(pages: Pages, disks: Disks, interval_s: float) -> None:
    """Walk all pages every `interval_s`, from another process, until cancelled; those of a large file soon after its opening."""
    large = (disks.ledger.path / DATA_NAME).stat().st_size > VERIFIED_BYTES_MAX
    pause_s = min(SOON_S, interval_s) if large else interval_s
    while True:
        await trio.sleep(pause_s)
        pause_s = interval_s
        if found := await walk_elsewhere(disks.ledger.path):
            pages.tell(found)


async def walk_elsewhere(path: Path) -> str:
    """What another process says of the file in directory `path`; empty where it is sound, or nobody could look."""
    command = [sys.executable, "-m", "mesh.storage.walk", str(path)]
    with trio.move_on_after(WALK_S_MAX):
        done = await trio.run_process(
            command, capture_stdout=True, capture_stderr=True, check=False, stdin=subprocess.DEVNULL
        )
        if done.returncode < 0:
            return f"a process that read all pages of {path} was ended by signal {-done.returncode}"
        return done.stdout.decode("utf-8", "replace").strip()
    return ""
