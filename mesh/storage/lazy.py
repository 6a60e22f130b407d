"""The thread that writes what nobody waits for: boards and the peer book.

Invariant: at most one commit in `pause_s`, with the newest value of each key; what waits is bounded, what is dropped is counted.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import TypeAlias

import trio

from mesh.crdt.replica import Table, Write
from mesh.errors import StorageError
from mesh.storage.environment import LmdbReplica

PAUSE_S = 1.0  # A board is published at most once per second (DESIGN §6); so each commit carries all of them once.
POSTS_MAX = (
    65_536  # Some 10 s of the largest site; more means that the disk is stuck, and newer boards are on their way.
)

OnFault: TypeAlias = Callable[[StorageError], None]


class LazyWriter:
    """Writes to a soft file when convenient. Made inside the loop; owns the replica from then on.

    `on_fault(error)` is called in the loop when a commit failed; its writes are lost, and the next commit is tried as usual.
    """

    def __init__(
        self,
        replica: LmdbReplica,
        on_fault: OnFault,
        token: trio.lowlevel.TrioToken | None = None,
        *,
        pause_s: float = PAUSE_S,
    ) -> None:
        self.dropped = 0  # Posts that were refused because too many waited.
        self._replica = replica
        self._on_fault = on_fault
        self._token = token or trio.lowlevel.current_trio_token()
        self._pause_s = pause_s
        self._queue: SimpleQueue[Sequence[Write] | None] = SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"writer of {replica.path.name}", daemon=True)
        self._thread.start()

    def post(self, writes: Sequence[Write]) -> None:
        """Write `writes` some time soon. Never blocks."""
        if self._closing.is_set() or self._queue.qsize() >= POSTS_MAX:
            self.dropped += 1
            return
        self._queue.put(writes)

    def close(self) -> None:
        """Write what waits, end the thread, and close the file. Blocks; for use outside the loop."""
        self._end()
        self._thread.join()
        self._replica.close()

    async def aclose(self) -> None:
        """Write what waits, end the thread, and close the file. Cancelling does not cut it short."""
        self._end()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._thread.join)
            self._replica.close()

    def _end(self) -> None:
        self._closing.set()
        self._queue.put(None)

    # ---- in the writer thread ----

    def _run(self) -> None:
        self._replica.keep_writing_for_this_thread()
        while (writes := self._queue.get()) is not None:
            self._closing.wait(self._pause_s)
            self._commit(self._gather(writes))

    def _gather(self, writes: Sequence[Write] | None) -> Iterable[Write]:
        """`writes` and all that waits behind them; the newest of each key."""
        newest: dict[tuple[Table, bytes], Write] = {}
        while writes is not None:
            for write in writes:
                newest[write.table, write.key] = write
            try:
                writes = self._queue.get_nowait()
            except Empty:
                return newest.values()
        self._queue.put(None)  # The mark to end is for `_run`, after this commit.
        return newest.values()

    def _commit(self, writes: Iterable[Write]) -> None:
        try:
            self._replica.write(writes)
        except StorageError as problem:
            self._tell(problem)
        except Exception as problem:
            self._tell(StorageError(f"{self._replica.path} was not written: {problem!r}. Report this as a fault."))

    def _tell(self, problem: StorageError) -> None:
        try:
            self._token.run_sync_soon(self._on_fault, problem)
        except trio.RunFinishedError:
            return  # The loop is gone, and everyone who could have listened with it.
