"""What is wanted: items that others have and that have not come here (Plumtree §3.3).

Invariant: an item is asked for at one peer at a time, at each that has it at most `ASKED_MAX` times, and is forgotten then:
reconcile finds it.
"""

import heapq
from math import inf

from msgspec import Struct

from mesh.gossip.table import Table
from mesh.ids import NodeId

WANTED_MAX = 4_096
ASKED_MAX = 2  # The question or the answer may get lost too.
FIRST_WAIT_S = 0.03  # The item itself is mostly under way, on a longer path or behind a disk.
MARGIN_S = 0.02  # What an answer takes beside the round trip.


class Missed(Struct):
    """Who has an item, and how often it was asked for."""

    holders: list[NodeId]
    asked: int = 0


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
        if missed is not None:
            if node not in missed.holders:
                missed.holders.append(node)
        elif len(self._missed) < WANTED_MAX:
            self._missed[mark] = Missed([node])
            heapq.heappush(self._due, (now + FIRST_WAIT_S + self._table.distance_s(node) / 2, mark))

    def came(self, mark: bytes) -> None:
        """The item is here."""
        self._missed.pop(mark, None)

    def ask(self, now: float) -> dict[NodeId, list[bytes]]:
        """What is asked for now, and of whom: the nearest of those that have it."""
        asked: dict[NodeId, list[bytes]] = {}
        while self._due and self._due[0][0] <= now:
            _, mark = heapq.heappop(self._due)
            missed = self._missed.get(mark)
            if missed is None or missed.asked >= ASKED_MAX * len(missed.holders):
                self._missed.pop(mark, None)
                continue
            nearest = sorted(missed.holders, key=self._table.distance_s)
            node = nearest[missed.asked % len(nearest)]
            missed.asked += 1
            asked.setdefault(node, []).append(mark)
            heapq.heappush(self._due, (now + self._table.distance_s(node) + MARGIN_S, mark))
        return asked

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        assert len(self._missed) <= WANTED_MAX
        assert {mark for _, mark in self._due} >= set(self._missed)
