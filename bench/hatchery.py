"""Peers without the wait for imports: one process imports what a peer needs and forks a peer for each order.

Invariant: the process that forks has no thread, no loop and no file of a mesh; so a peer begins `mesh up` as a fresh interpreter
does that has just finished its imports, and is a process of its own that can be killed like any other.

`python -m bench.hatchery` takes orders on a socket that stands as its stdin: the arguments as JSON, and with them the file
descriptors of stdout and stderr. It answers with a descriptor of the new process (pidfd_open(2)). When the socket ends, so do
all peers.
"""

import json
import os
import select
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import IO

import trio

ORDER_BYTES_MAX = 16_384


class Hatched:
    """A forked peer, with what `trio.Process` has of it."""

    def __init__(self, pid: int, handle: int, stdout: trio.abc.ReceiveStream) -> None:
        self.pid, self.stdout = pid, stdout
        self._handle = handle

    def kill(self) -> None:
        """End it without warning. Nothing happens where it has ended."""
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end. Nothing happens where it has ended."""
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def poll(self) -> int | None:
        """0 where it has ended: how is not known here. None: it runs."""
        return 0 if select.select([self._handle], [], [], 0)[0] else None

    async def wait(self) -> int:
        """Wait until it has ended."""
        await trio.lowlevel.wait_readable(self._handle)
        return 0

    def __del__(self) -> None:
        os.close(self._handle)


class Hatchery:
    """The process that forks, one order at a time."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._turn = trio.Lock()

    async def spawn(self, arguments: Sequence[str], journal: IO[bytes]) -> Hatched:
        """A peer that runs `mesh` with `arguments`; its stdout can be read, its stderr goes to `journal`."""
        ours, theirs = os.pipe()
        try:
            async with self._turn:
                pid, handle = await trio.to_thread.run_sync(self._order, arguments, (theirs, journal.fileno()))
        finally:
            os.close(theirs)
        return Hatched(pid, handle, trio.lowlevel.FdStream(ours))

    def _order(self, arguments: Sequence[str], files: tuple[int, int]) -> tuple[int, int]:
        socket.send_fds(self._orders, [json.dumps(list(arguments)).encode()], list(files))
        answer, handles, _, _ = socket.recv_fds(self._orders, ORDER_BYTES_MAX, 1)
        return int(answer), handles[0]


@asynccontextmanager
async def hatchery() -> AsyncIterator[Hatchery]:
    """A hatchery for as long as the context lasts."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = await trio.lowlevel.open_process([sys.executable, "-m", "bench.hatchery"], stdin=theirs.fileno())
    theirs.close()
    try:
        yield Hatchery(ours)
    finally:
        ours.close()
        with trio.CancelScope(shield=True):
            await process.wait()


def hatch(orders: socket.socket) -> None:
    """Fork a peer for each order until there are no more; then end those that still run."""
    children: list[int] = []
    while True:
        order, files, _, _ = socket.recv_fds(orders, ORDER_BYTES_MAX, 2)
        children = [child for child in children if os.waitpid(child, os.WNOHANG)[0] == 0]
        if not order:
            break
        child = os.fork()
        if child == 0:
            orders.close()
            _live(json.loads(order), files)
        children.append(child)
        handle = os.pidfd_open(child)
        socket.send_fds(orders, [str(child).encode()], [handle])
        for descriptor in (handle, *files):
            os.close(descriptor)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _live(arguments: list[str], files: list[int]) -> None:
    """What a peer's process does from its birth on. Never returns."""
    from mesh.cli.main import outcome

    code = 1
    try:
        for target, descriptor in enumerate(files, start=1):
            os.dup2(descriptor, target)
            os.close(descriptor)
        code = outcome(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def main() -> None:
    """Import what a peer needs, and take orders."""
    import mesh.cli.main
    import mesh.cli.up  # noqa: F401  (the child finds it imported)

    orders = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    hatch(orders)


if __name__ == "__main__":
    main()
