"""The writer stores in order, in groups, and nothing that builds on a loss.

Invariant: these tests run a real thread on real files; they wait for answers, never for time.
"""

import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
import trio

from mesh.crdt.replica import Table, Write
from mesh.errors import StorageError
from mesh.ids import MeshId
from mesh.storage.environment import LEDGER_TABLES, LmdbReplica
from mesh.storage.writer import COMMIT_BYTES_MAX, COMMIT_TICKETS_MAX, Writer, write_now

ROOT = Path(__file__).parents[2]
SMALL_MAP_BYTES = 1 << 20
TOO_MUCH = tuple(Write(Table.CELLS, b"big%d" % n, b"v" * 4000) for n in range(1000))

pytestmark = pytest.mark.live


def opened(path: Path, map_bytes: int = 64 << 30) -> LmdbReplica:
    return LmdbReplica.open(path, LEDGER_TABLES, mesh=MeshId(b"m" * 16), durable=True, map_bytes=map_bytes)


def one(key: bytes, value: bytes = b"v") -> tuple[Write, ...]:
    return (Write(Table.CELLS, key, value),)


def stored(path: Path) -> list[bytes]:
    """The keys that are in the closed file at `path`."""
    replica = opened(path)
    with replica.read() as reader:
        keys = [key for key, _ in reader.scan(Table.CELLS)]
    replica.close()
    return keys


class Desk:
    """Whoever owns a writer: hears the answers, and can wait for them."""

    def __init__(self, replica: LmdbReplica) -> None:
        self.replica = replica
        self.heard: list[tuple[int, bool]] = []
        self.errors: dict[int, str] = {}
        self.on_failure: Callable[[int], None] = lambda ticket: None
        self.writer = Writer(replica, self._done)
        self._news = trio.Event()

    def _done(self, tickets: Sequence[int], error: StorageError | None) -> None:
        for ticket in tickets:
            self.heard.append((ticket, error is None))
            if error is not None:
                self.errors[ticket] = str(error)
                self.on_failure(ticket)
        self._news.set()

    async def answer_to(self, ticket: int) -> bool:
        """Wait for the answer; True if the ticket was stored."""
        while ticket not in dict(self.heard):
            self._news = trio.Event()
            await self._news.wait()
        return dict(self.heard)[ticket]


MakeDesk = Callable[[int], AbstractAsyncContextManager[Desk]]


@pytest.fixture
def desk_with_map(tmp_path: Path) -> MakeDesk:
    @asynccontextmanager
    async def make(map_bytes: int) -> AsyncIterator[Desk]:
        desk = Desk(opened(tmp_path, map_bytes))
        try:
            yield desk
        finally:
            await desk.writer.aclose()

    return make


@pytest.fixture
async def desk(desk_with_map: MakeDesk) -> AsyncIterator[Desk]:
    async with desk_with_map(64 << 30) as made:
        yield made


@pytest.fixture
async def small(desk_with_map: MakeDesk) -> AsyncIterator[Desk]:
    """A desk whose disk is full after a megabyte."""
    async with desk_with_map(SMALL_MAP_BYTES) as made:
        yield made


async def test_tickets_are_answered_in_order_and_each_once(desk: Desk) -> None:
    for ticket in range(2 * COMMIT_TICKETS_MAX):
        desk.writer.submit(ticket, one(b"%d" % ticket))
    await desk.answer_to(2 * COMMIT_TICKETS_MAX - 1)
    assert desk.heard == [(ticket, True) for ticket in range(2 * COMMIT_TICKETS_MAX)]
    assert desk.writer.waiting == 0


class Gate:
    """Writes that keep the thread waiting in the middle of a transaction until `opened` is set."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def __iter__(self) -> Iterator[Write]:
        assert self.opened.wait(10)
        return iter(one(b"gate"))


def submit_gate(desk: Desk, ticket: int) -> threading.Event:
    gate = Gate()
    desk.writer.submit(ticket, cast("tuple[Write, ...]", gate))
    return gate.opened


async def test_what_waits_together_is_committed_together(desk: Desk) -> None:
    before = desk.replica.commits
    gate = submit_gate(desk, 0)
    for ticket in range(1, COMMIT_TICKETS_MAX + 1):
        desk.writer.submit(ticket, one(b"%d" % ticket))
    gate.set()
    await desk.answer_to(COMMIT_TICKETS_MAX)
    assert desk.replica.commits - before == 2  # One is full, and the last ticket is left for another.


async def test_what_one_turn_of_the_loop_submits_is_one_commit_and_the_last_write_of_a_key_stands(desk: Desk) -> None:
    before = desk.replica.commits
    for ticket in range(20):
        desk.writer.submit(ticket, (*one(b"own%d" % ticket), Write(Table.CELLS, b"shared", b"%d" % ticket)))
    await desk.answer_to(19)
    assert desk.replica.commits == before + 1
    with desk.replica.read() as reader:
        assert reader.get(Table.CELLS, b"shared") == b"19"


async def test_a_commit_is_bounded_in_bytes_too(desk: Desk) -> None:
    before = desk.replica.commits
    gate = submit_gate(desk, 0)
    for ticket in range(1, 5):
        desk.writer.submit(ticket, one(b"%d" % ticket, bytes(COMMIT_BYTES_MAX // 2)))
    gate.set()
    await desk.answer_to(4)
    assert desk.replica.commits - before == 2


async def test_tickets_of_one_commit_fail_together_and_the_first_is_the_one_to_resume(small: Desk) -> None:
    gate = submit_gate(small, 1)
    small.writer.submit(2, TOO_MUCH)
    small.writer.submit(3, one(b"k"))
    gate.set()
    assert not await small.answer_to(3)
    small.writer.resume(1)
    small.writer.submit(4, one(b"k"))
    assert await small.answer_to(4)
    assert small.heard == [(1, False), (2, False), (3, False), (4, True)]


async def test_an_answered_ticket_can_be_read(desk: Desk) -> None:
    desk.writer.submit(1, one(b"k"))
    assert await desk.answer_to(1)
    with desk.replica.read() as reader:
        assert reader.get(Table.CELLS, b"k") == b"v"


async def test_an_answer_never_comes_from_inside_submit(desk: Desk) -> None:
    for ticket in range(50):
        desk.writer.submit(ticket, one(b"k"))
        assert desk.heard == []
    await desk.answer_to(49)


async def test_tickets_only_grow(desk: Desk) -> None:
    desk.writer.submit(3, one(b"k"))
    with pytest.raises(AssertionError):
        desk.writer.submit(3, one(b"k"))
    await desk.answer_to(3)


async def test_all_tickets_after_a_failure_fail_until_the_core_has_heard(small: Desk, tmp_path: Path) -> None:
    small.writer.submit(1, one(b"before"))
    assert await small.answer_to(1)
    small.writer.submit(2, TOO_MUCH)
    small.writer.submit(3, one(b"builds on 2"))
    assert not await small.answer_to(3)
    small.writer.submit(4, one(b"still builds on 2"))
    assert not await small.answer_to(4)
    small.writer.resume(2)
    small.writer.submit(5, one(b"after"))
    assert await small.answer_to(5)
    await small.writer.aclose()
    assert small.heard == [(1, True), (2, False), (3, False), (4, False), (5, True)]
    assert stored(tmp_path) == [b"after", b"before"]


async def test_a_failure_and_what_it_takes_along_both_name_the_reason(small: Desk) -> None:
    small.writer.submit(1, TOO_MUCH)
    assert not await small.answer_to(1)
    small.writer.submit(2, one(b"k"))
    assert not await small.answer_to(2)
    assert "has reached the size that was reserved" in small.errors[1]
    assert "builds on was lost" in small.errors[2]
    assert "has reached the size that was reserved" in small.errors[2]


async def test_a_core_may_submit_again_while_older_refusals_are_still_under_way(small: Desk) -> None:
    """What DESIGN §2.4 is about: 2 to 9 build on 1; 10 was made after the core heard of 1, and before it heard of the rest."""

    def start_over(ticket: int) -> None:
        small.writer.resume(ticket)
        if ticket == 1:
            small.writer.submit(10, one(b"fresh"))

    small.on_failure = start_over
    small.writer.submit(1, TOO_MUCH)
    for ticket in range(2, 10):
        small.writer.submit(ticket, one(b"%d" % ticket))
    assert await small.answer_to(10)
    assert small.heard == [*((ticket, False) for ticket in range(1, 10)), (10, True)]


async def test_an_old_resumption_does_not_excuse_a_newer_failure(small: Desk) -> None:
    small.writer.submit(1, TOO_MUCH)
    assert not await small.answer_to(1)
    small.writer.resume(1)
    small.writer.submit(2, TOO_MUCH)
    assert not await small.answer_to(2)
    small.writer.resume(1)
    small.writer.submit(3, one(b"k"))
    assert not await small.answer_to(3)
    small.writer.resume(2)
    small.writer.submit(4, one(b"k"))
    assert await small.answer_to(4)


async def test_an_unexpected_error_fails_its_ticket_and_not_the_thread(desk: Desk) -> None:
    desk.writer.submit(1, one(b"k" * 600))
    desk.writer.submit(2, cast("tuple[Write, ...]", (None,)))
    assert [await desk.answer_to(1), await desk.answer_to(2)] == [False, False]
    desk.writer.resume(2)
    desk.writer.submit(3, one(b"k"))
    assert await desk.answer_to(3)


class Deadly:
    """Writes that end the thread."""

    def __iter__(self) -> Iterator[Write]:
        raise SystemExit


async def test_a_dead_thread_fails_what_it_held_and_all_that_follows(desk: Desk) -> None:
    desk.writer.submit(1, cast("tuple[Write, ...]", Deadly()))
    desk.writer.submit(2, one(b"k"))
    assert not await desk.answer_to(2)
    desk.writer.resume(2)
    for ticket in (3, 4):
        desk.writer.submit(ticket, one(b"k"))
        assert not await desk.answer_to(ticket)
    assert [ticket for ticket, _ in desk.heard] == [1, 2, 3, 4]
    assert "died of SystemExit" in desk.errors[4]


async def test_closing_stores_and_answers_what_is_queued(desk: Desk, tmp_path: Path) -> None:
    for ticket in range(700):
        desk.writer.submit(ticket, one(b"%03d" % ticket))
    await desk.writer.aclose()
    assert desk.heard == [(ticket, True) for ticket in range(700)]
    assert len(stored(tmp_path)) == 700


async def test_closing_is_not_cut_short_by_cancelling(desk: Desk, tmp_path: Path) -> None:
    desk.writer.submit(1, one(b"k"))
    with trio.CancelScope() as scope:
        scope.cancel()
        await desk.writer.aclose()
    assert stored(tmp_path) == [b"k"]


async def test_a_closed_writer_says_so(desk: Desk) -> None:
    await desk.writer.aclose()
    desk.writer.submit(1, one(b"k"))
    assert not await desk.answer_to(1)
    assert "was closed" in desk.errors[1]


async def test_nobody_else_may_write_once_there_is_a_writer(desk: Desk) -> None:
    desk.writer.submit(1, one(b"k"))
    await desk.answer_to(1)
    with pytest.raises(StorageError, match="Submit the writes there"):
        write_now(desk.replica, one(b"l"))


def test_write_now_is_there_at_once(tmp_path: Path) -> None:
    replica = opened(tmp_path)
    write_now(replica, one(b"k"))
    replica.close()
    assert stored(tmp_path) == [b"k"]


def test_a_writer_outlives_its_loop_without_harm(tmp_path: Path) -> None:
    async def leave() -> Writer:
        writer = Writer(opened(tmp_path), lambda tickets, error: None)
        writer.submit(1, one(b"k"))
        return writer

    writer = trio.run(leave)
    writer.submit(2, one(b"l"))
    writer.close()
    assert stored(tmp_path) == [b"k", b"l"]


FULL_DISK = """
import resource, sys, trio
from mesh.crdt.replica import Table, Write
from mesh.storage.environment import LmdbReplica
from mesh.storage.writer import Writer

async def main():
    answers, heard = trio.open_memory_channel(100)
    replica = LmdbReplica.open(sys.argv[1], Table, mesh=b"m" * 16, durable=True)
    writer = Writer(replica, lambda tickets, error: answers.send_nowait((tickets[-1], error)))
    limit = lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    many = tuple(Write(Table.CELLS, b"%d" % n, b"v" * 4000) for n in range(1000))
    for ticket, writes, most in [(1, many[:1], 1 << 20), (2, many, 1 << 20), (3, many, resource.RLIM_INFINITY)]:
        limit(most)
        writer.submit(ticket, writes)
        ticket, error = await heard.receive()
        writer.resume(ticket)
        with replica.read() as reader:
            print(ticket, error, sum(1 for _ in reader.scan(Table.CELLS)))
    await writer.aclose()

trio.run(main)
"""


def test_a_full_disk_fails_the_write_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    before, failed, after = ended.stdout.splitlines()
    assert (before, after) == ("1 None 1", "3 None 1000")
    assert "is full or failing" in failed
    assert failed.endswith(" 1")


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.storage.killed", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    assert ended.stdout.endswith("acknowledged, none lost\n"), ended.stderr
