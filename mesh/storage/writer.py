"""The one thread that writes the ledger's file, with group commit.

Invariant: every ticket is answered once, in the order of submission; and after a failure nothing is stored until the core has
heard of it, because what it submitted meanwhile builds on what was lost (DESIGN §2.4).

What one turn of the loop submits is handed to the thread in one piece when the turn ends, because a thread that is woken for the
first ticket would fight the loop for the interpreter over every put. The thread takes all that is queued, within a bound, into one
transaction, commits it, and answers its tickets in the loop. When a
commit fails, each ticket in it fails. So does every later one, until `resume(ticket)` tells the writer that the core has handled
the failure of `ticket` and dropped its overlay from there on. No counter of epochs is needed, because tickets only grow: a
submission knows the highest ticket that was resumed when it was made, and is refused while that is less than the ticket that
failed. The thread runs next to no Python: a second busy thread would starve the loop (DESIGN §3).
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import NamedTuple, TypeAlias

import trio

from mesh.crdt.replica import Write, Writes, gathered
from mesh.errors import StorageError
from mesh.storage.environment import LmdbReplica

COMMIT_BYTES_MAX = (
    4 << 20
)  # About 40 ms of puts and sync on a slow disk: no ticket waits longer for company than for itself.
COMMIT_TICKETS_MAX = 512

Done: TypeAlias = Callable[[Sequence[int], StorageError | None], None]


class _Job(NamedTuple):
    ticket: int
    resumed: int
    writes: Iterable[Write]


class Writer:
    """Stores what it is given, and says when it is durable. Made inside the loop; owns the replica from then on.

    `done(tickets, error)` is called in the loop, and never from inside `submit`: once for all tickets of one commit, lowest first.
    Where `error` is not None nothing of them was stored; hand that to the core, then call `resume` with the last of them, then
    submit what the core wants now.
    """

    def __init__(self, replica: LmdbReplica, done: Done, token: trio.lowlevel.TrioToken | None = None) -> None:
        self._replica = replica
        self._done = done
        self._token = token or trio.lowlevel.current_trio_token()
        self._gathered: list[_Job] = []  # The loop's: what this turn of it has submitted.
        self._queue: SimpleQueue[list[_Job] | None] = SimpleQueue()
        self._jobs: deque[_Job] = deque()  # The thread's: what it was handed and has not begun.
        self._newest = -1
        self._resumed = -1
        self._waiting = 0
        self._broken = -1  # The thread's: the ticket whose failure the core has to hear of.
        self._refusal: StorageError | None = None  # The thread's: what later tickets are told.
        self._ended: StorageError | None = None  # Set once, when the thread is about to end.
        self._refusing = threading.Lock()  # For the last moments: the thread and the loop may both find leftovers.
        self._thread = threading.Thread(target=self._run, name=f"writer of {replica.path.name}", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many tickets have no answer yet: the load on the disk, for whoever admits writes."""
        return self._waiting

    def submit(self, ticket: int, writes: Iterable[Write]) -> None:
        """Store `writes` in one transaction. Never blocks. Tickets grow; the answer comes through `done`."""
        assert ticket > self._newest, f"ticket {ticket} came after ticket {self._newest}"
        self._newest = ticket
        self._waiting += 1
        self._gathered.append(_Job(ticket, self._resumed, writes))
        if len(self._gathered) == 1:
            try:
                self._token.run_sync_soon(self._hand_over)
            except trio.RunFinishedError:
                self._hand_over()

    def resume(self, ticket: int) -> None:
        """The core has handled the failure of `ticket`: what is submitted from now on does not build on it."""
        self._resumed = max(self._resumed, ticket)

    def close(self) -> None:
        """Store what is queued, end the thread, and close the file. Blocks; for use outside the loop.

        Answers that have not been delivered are, if the loop goes on.
        """
        self._hand_over()
        self._queue.put(None)
        self._thread.join()
        self._replica.close()

    async def aclose(self) -> None:
        """Store what is queued, deliver the answers, end the thread, and close the file. Cancelling does not cut it short."""
        self._hand_over()
        self._queue.put(None)
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._thread.join)
            self._replica.close()

    def _hand_over(self) -> None:
        gathered, self._gathered = self._gathered, []
        if gathered:
            self._queue.put(gathered)
        if self._ended is not None:
            self._refuse_leftovers()

    # ---- in the writer thread ----

    def _run(self) -> None:
        ending = StorageError(
            f"the writer of {self._replica.path} was closed. Nothing can be stored until it is opened again."
        )
        try:
            self._replica.keep_writing_for_this_thread()
            self._serve()
        except BaseException as problem:
            ending = StorageError(f"the thread that writes {self._replica.path} died of {problem!r}. Restart the node.")
        finally:
            self._ended = ending
            self._refuse_leftovers()

    def _serve(self) -> None:
        while (jobs := self._queue.get()) is not None:
            self._jobs += jobs
            while self._jobs:
                job = self._jobs.popleft()
                if job.resumed < self._broken:
                    self._answer((job.ticket,), self._refusal)
                else:
                    self._store(job)

    def _store(self, first: _Job) -> None:
        tickets = [first.ticket]
        try:
            self._commit(first, tickets)
        except StorageError as problem:
            self._fail(tickets, problem)
        except BaseException as problem:
            self._fail(
                tickets, StorageError(f"{self._replica.path} was not written: {problem!r}. Report this as a fault.")
            )
            if not isinstance(problem, Exception):
                raise
        else:
            self._answer(tickets, None)

    def _commit(self, first: _Job, tickets: list[int]) -> None:
        """Commit `first` and what is queued behind it. What follows on a job that is not refused is not refused either.

        Of several writes of one key only the last is put: tickets move the same lines and buckets again and again.
        """
        latest = Writes({})
        size = _add(latest, first)
        while size < COMMIT_BYTES_MAX and len(tickets) < COMMIT_TICKETS_MAX and (job := self._poll()) is not None:
            tickets.append(job.ticket)
            size += _add(latest, job)
        with self._replica.change() as change:
            change.apply(latest)

    def _poll(self) -> _Job | None:
        if not self._jobs:
            try:
                jobs = self._queue.get_nowait()
            except Empty:
                return None
            if jobs is None:
                self._queue.put(None)  # The mark to end is for `_serve`, after this commit.
                return None
            self._jobs += jobs
        return self._jobs.popleft()

    def _fail(self, tickets: list[int], problem: StorageError) -> None:
        self._broken = tickets[0]
        self._refusal = StorageError(f"not stored, because what it builds on was lost: {problem}")
        self._answer(tickets, problem)

    def _refuse_leftovers(self) -> None:
        with self._refusing:
            while True:
                try:
                    self._jobs += self._queue.get_nowait() or ()
                except Empty:
                    break
            while self._jobs:
                self._answer((self._jobs.popleft().ticket,), self._ended)

    def _answer(self, tickets: Sequence[int], error: StorageError | None) -> None:
        try:
            self._token.run_sync_soon(self._deliver, tickets, error)
        except trio.RunFinishedError:
            return  # The loop is gone, and everyone who could have listened with it.

    # ---- in the loop again ----

    def _deliver(self, tickets: Sequence[int], error: StorageError | None) -> None:
        self._waiting -= len(tickets)
        self._done(tickets, error)


def _add(latest: Writes, job: _Job) -> int:
    """Lay the writes of a job over those before it. Returns how many bytes it has."""
    size = 0
    for table, rows in gathered(job.writes).tables.items():
        latest.tables.setdefault(table, {}).update(rows)
        size += sum(map(len, rows)) + sum(map(len, filter(None, rows.values())))
    return size


def write_now(replica: LmdbReplica, writes: Iterable[Write]) -> None:
    """Store `writes` in one transaction and wait for the disk: for start-up, before there is a loop or a writer.

    Raises StorageError; the file is then as it was.
    """
    replica.write(writes)
