"""What is wanted: items that others have and that have not come here (Plumtree §3.3).

Invariant: an item is asked for at each peer that has it at most `ASKED_MAX` times, and is forgotten then: reconcile finds it. While
an answer is under way nobody else is asked but who is so much nearer that it saves more than `MARGIN_S`.
"""

import heapq
from math import inf

from msgspec import Struct

from mesh.gossip.table import Table
from mesh.ids import NodeId

WANTED_MAX = 4_096
ASKED_MAX = 2  # The question or the answer may get lost too.
FIRST_WAIT_S = 0.03  # A mark leaves after the item, which is mostly under way on a longer path or behind a disk.
MARGIN_S = 0.02  # What an answer takes beside the round trip.


class Missed(Struct):
    """How often an item was asked for at each that has it, when it is asked for next, and how far the last one asked is."""

    holders: dict[NodeId, int]
    due: float
    asked_s: float = 0.0


class Wanted:
    """Items that are missed, and who has them."""

    __slots__ = ("_due", "_missed", "_table")

    def __init__(self, table: Table) -> None:
        self._table = table
        self._missed: dict[bytes, Missed] = {}
        self._due: list[tuple[float, bytes]] = []

    def deadline(self) -> float:
        """When the next item is asked for; earlier where one came meanwhile."""
        return self._due[0][0] if self._due else inf

    def has(self, mark: bytes, node: NodeId, now: float) -> None:
        """`node` has an item that is not here."""
        missed = self._missed.get(mark)
        if missed is None:
            if len(self._missed) < WANTED_MAX:
                self._missed[mark] = Missed({node: 0}, now)
                self._wait(mark, now + FIRST_WAIT_S)
        elif node not in missed.holders:
            missed.holders[node] = 0
            if self._table.distance_s(node) + MARGIN_S < missed.asked_s:
                self._wait(mark, now)

    def came(self, mark: bytes) -> None:
        """The item is here."""
        self._missed.pop(mark, None)

    def ask(self, now: float) -> dict[NodeId, list[bytes]]:
        """What is asked for now, and of whom: the nearest of those that have it and were asked least."""
        asked: dict[NodeId, list[bytes]] = {}
        while self._due and self._due[0][0] <= now:
            due, mark = heapq.heappop(self._due)
            missed = self._missed.get(mark)
            if missed is None or missed.due != due:
                continue  # It came, or was asked for earlier than was meant.
            node = self._whom(missed.holders)
            if missed.holders[node] >= ASKED_MAX:
                del self._missed[mark]
                continue
            missed.holders[node] += 1
            missed.asked_s = self._table.distance_s(node)
            asked.setdefault(node, []).append(mark)
            self._wait(mark, now + missed.asked_s + MARGIN_S)
        return asked

    def _whom(self, holders: dict[NodeId, int]) -> NodeId:
        return min(holders, key=lambda node: (holders[node], self._table.distance_s(node)))

    def _wait(self, mark: bytes, due: float) -> None:
        self._missed[mark].due = due
        heapq.heappush(self._due, (due, mark))

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        assert len(self._missed) <= WANTED_MAX
        assert {(missed.due, mark) for mark, missed in self._missed.items()} <= set(self._due)
