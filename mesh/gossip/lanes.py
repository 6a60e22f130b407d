"""Lanes share what a node may send: each kind of news waits in its own, and none starves another (DRR: Shreedhar & Varghese 1995).

Invariant: a lane that has something to send gets its weight's share of the budget, however much waits in the others; for each peer
at most `PEER_BYTES_MAX` wait, and of one key only the newest.
"""

from collections.abc import Sequence
from enum import IntEnum
from math import inf

from msgspec import Struct

from mesh.gossip.recent import Item
from mesh.ids import NodeId

PEER_BYTES_MAX = (
    4 * 1024 * 1024
)  # One of the largest frames. A peer for which more waits takes in too little; it reconciles later.
QUANTUM_BYTES = 1_200  # Each lane's share of one round, times its weight: a datagram.
BURST_S = 0.05  # Unused budget is kept so long.
LEAST_WAIT_S = 0.001
MARK_COST_BYTES = 10  # What a mark takes in a message.


class Lane(IntEnum):
    """The kinds of news that share the budget. Probes and news of members are few and small, and do not queue."""

    LEDGER = 0
    MARKS = 1
    BOARD = 2
    BOARD_MARKS = 3


MARKS = (Lane.MARKS, Lane.BOARD_MARKS)


class Pace(Struct, frozen=True):
    """A lane's weight, and how long it gathers. `patient`: also what comes after a silence waits; otherwise that leaves at once."""

    weight: int
    window_s: float
    patient: bool


PACES = {
    Lane.LEDGER: Pace(4, 0.003, patient=False),
    Lane.MARKS: Pace(2, 0.025, patient=True),  # By then most have the item from somebody else.
    Lane.BOARD: Pace(2, 0.02, patient=False),  # Of a second between updates: fewer, fuller datagrams.
    Lane.BOARD_MARKS: Pace(1, 0.2, patient=True),  # The next update follows anyway, and marks by the dozen cost little.
}


class Queue:
    """What waits in one lane, in order."""

    __slots__ = ("bytes", "credit", "left_at", "ready_at", "waiting")

    def __init__(self) -> None:
        self.waiting: dict[tuple[NodeId, bytes], Item] = {}
        self.ready_at, self.left_at, self.credit, self.bytes = inf, -inf, 0, 0


class Lanes:
    """Queues of items for peers. `budget_byte_s` is what all lanes may send together, in bytes per second."""

    __slots__ = ("_allowance", "_budget", "_now", "_queues", "_waiting_for", "ready_at")

    def __init__(self, budget_byte_s: float, now: float) -> None:
        self._budget, self._now = budget_byte_s, now
        self._allowance = budget_byte_s * BURST_S
        self._queues = {lane: Queue() for lane in Lane}
        self._waiting_for: dict[NodeId, int] = {}
        self.ready_at = inf  # When something may leave.

    def put(self, lane: Lane, to: NodeId, key: bytes, item: Item, now: float) -> bool:
        """Let an item wait for its turn; it takes the place of what waits under the same key. False: there is no room."""
        return self.put_for((to,), lane, key, item, now) == 1

    def put_for(self, peers: Sequence[NodeId], lane: Lane, key: bytes, item: Item, now: float) -> int:
        """The same for several peers at once. Returns for how many of them there was room."""
        queue, waiting_for, size = self._queues[lane], self._waiting_for, cost(lane, item)
        waiting, found = queue.waiting, 0
        if not waiting:
            pace = PACES[lane]
            queue.ready_at = now + pace.window_s if pace.patient else max(now, queue.left_at + pace.window_s)
        for to in peers:
            place, more = (to, key), size
            before = waiting.get(place)
            if before is not None:
                more -= cost(lane, before)
            load = waiting_for.get(to, 0) + more
            if load <= PEER_BYTES_MAX:
                waiting[place] = item
                waiting_for[to] = load
                queue.bytes += more
                found += 1
        if not waiting:
            queue.ready_at = inf
        self.ready_at = min(self.ready_at, queue.ready_at)
        return found

    def hurry(self, now: float) -> None:
        """Let the marks that wait leave now."""
        for lane in MARKS:
            queue = self._queues[lane]
            if queue.waiting:
                queue.ready_at = min(queue.ready_at, now)
                self.ready_at = min(self.ready_at, now)

    def take(self, now: float) -> list[tuple[Lane, NodeId, Item]]:
        """What leaves now, in order."""
        self._allowance = min(self._budget * BURST_S, self._allowance + self._budget * max(0.0, now - self._now))
        self._now = max(self._now, now)
        ready = [lane for lane, queue in self._queues.items() if queue.ready_at <= now]
        if len(ready) == 1 and self._queues[ready[0]].bytes <= self._allowance:
            taken, ready = self._serve_whole(ready[0], now), []
        else:
            taken = []
        while ready and self._allowance > 0:
            ready = [lane for lane in ready if self._serve(lane, taken, now)]
        for lane in ready:
            self._queues[lane].ready_at = now + max(LEAST_WAIT_S, -self._allowance / self._budget)
        self.ready_at = min([queue.ready_at for queue in self._queues.values()])
        return taken

    def _serve_whole(self, lane: Lane, now: float) -> list[tuple[Lane, NodeId, Item]]:
        """All of the only lane that is due, for which the budget is enough: what turns would come to."""
        queue, waiting_for, marks = self._queues[lane], self._waiting_for, lane in MARKS
        taken = [(lane, place[0], item) for place, item in queue.waiting.items()]
        for _, to, item in taken:
            left = waiting_for[to] - (MARK_COST_BYTES if marks else item.size)
            if left:
                waiting_for[to] = left
            else:
                del waiting_for[to]
        self._allowance -= queue.bytes
        queue.waiting.clear()
        queue.ready_at, queue.left_at, queue.credit, queue.bytes = inf, now, 0, 0
        return taken

    def _serve(self, lane: Lane, taken: list[tuple[Lane, NodeId, Item]], now: float) -> bool:
        """One lane's turn. Returns whether more waits."""
        queue, waiting_for = self._queues[lane], self._waiting_for
        waiting, allowance = queue.waiting, self._allowance
        credit = queue.credit + PACES[lane].weight * QUANTUM_BYTES
        while waiting and allowance > 0:
            place = next(iter(waiting))
            item = waiting[place]
            size = cost(lane, item)
            if size > credit:
                break
            del waiting[place]
            credit, allowance = credit - size, allowance - size
            queue.bytes -= size
            to = place[0]
            waiting_for[to] -= size
            if not waiting_for[to]:
                del waiting_for[to]
            taken.append((lane, to, item))
        queue.credit, self._allowance = credit, allowance
        if waiting:
            return True
        queue.ready_at, queue.left_at, queue.credit = inf, now, 0
        return False

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        for queue in self._queues.values():
            assert (queue.ready_at == inf) == (not queue.waiting)
        assert self.ready_at == min(queue.ready_at for queue in self._queues.values())
        sizes: dict[NodeId, int] = {}
        for lane, queue in self._queues.items():
            assert queue.bytes == sum(cost(lane, item) for item in queue.waiting.values())
            for (to, _), item in queue.waiting.items():
                sizes[to] = sizes.get(to, 0) + cost(lane, item)
        assert sizes == self._waiting_for
        assert all(size <= PEER_BYTES_MAX for size in sizes.values())


def cost(lane: Lane, item: Item) -> int:
    """The bytes that an item takes in a lane."""
    return MARK_COST_BYTES if lane in MARKS else item.size
