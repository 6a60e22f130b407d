"""Comparing: two members find where their rosters differ, and exchange just that (DESIGN §8: cost in proportion to the difference).

Invariant: each message is one bounded answer to one message, or begins a comparison, at most once in an interval; nothing is
waited for, because the digests on the probes tell whether there is still a difference.
"""

import itertools
from random import Random

from mesh.config import GossipConfig
from mesh.crdt.sums import Span, differing, grain_of
from mesh.effects import GossipEffect, Send, Stream
from mesh.events import Received
from mesh.gossip.members import MARK_BYTES
from mesh.gossip.planes import answer_to
from mesh.gossip.roster import Roster
from mesh.ids import Address, NodeId
from mesh.messages import RosterMarks, RosterPage, RosterSums, SignedClaim

PAGE_BYTES = 1024 * 1024  # A quarter of the largest frame; accusations fit beside it.
GRAIN = 64  # Buckets; their sums of 8 bytes each fit a datagram, and a mesh of 1,000 has sixteen members in each.
ENTRY_BYTES = 16 + MARK_BYTES
HASTE = 0.1  # Of the interval: so soon the next comparison follows one that brought many members, as at a cold start.
BULK = 16  # Members that were unknown or changed. So many at once come to others by their own comparisons, not as news.


class Comparing:
    """Finds differences with one other member at a time. It remembers nothing of whom it compared with."""

    __slots__ = ("_again_at", "_config", "_next_at", "_rng", "_roster")

    def __init__(self, roster: Roster, config: GossipConfig, rng: Random, now: float) -> None:
        self._roster, self._config, self._rng = roster, config, rng
        self._next_at = now
        self._again_at = float("inf")

    def deadline(self) -> float:
        """When a comparison is begun without being asked for."""
        return self._again_at

    def begin(self, node: NodeId, at: Address, now: float) -> list[GossipEffect]:
        """Our digests differ: tell our sums, but not too often."""
        if now < self._next_at:
            return []
        self._next_at = now + self._config.sync_interval_s * (0.5 + self._rng.random())
        return [Send(node, at, RosterSums(self._roster.sums(GRAIN)))]

    def open(self, node: NodeId, at: Address) -> list[GossipEffect]:
        """There is a new stream: say who we are, and what we hold."""
        me = RosterPage((self._roster.own.signed,), ())
        return [Stream(node, at, me), Stream(node, at, RosterSums(self._roster.sums(GRAIN)))]

    def on_sums(self, received: Received, message: RosterSums) -> list[GossipEffect]:
        """Somebody's sums: name what we hold where they differ from ours. Raises MalformedMessage."""
        of = grain_of(message.sums)
        buckets = differing(self._roster.sums(of), message.sums)
        if not buckets:
            return []
        span = Span(of, buckets)
        marks = b"".join(member.claim.node + member.mark for member in self._roster.within(span))
        return [answer_to(received, RosterMarks(span, marks))]

    def on_marks(self, received: Received, message: RosterMarks) -> list[GossipEffect]:
        """What somebody holds: give what differs or lacks there, and ask for what differs or lacks here."""
        entries = [message.marks[start : start + ENTRY_BYTES] for start in range(0, len(message.marks), ENTRY_BYTES)]
        theirs = {NodeId(entry[:16]): entry[16:] for entry in entries}
        mine = {member.claim.node: member.mark for member in self._roster.within(message.span)}
        give = [node for node, mark in mine.items() if theirs.get(node) != mark]
        wanted = tuple(node for node, mark in theirs.items() if mine.get(node) != mark)
        return self._pages(received, give, wanted) if give or wanted else []

    def on_page(self, received: Received, page: RosterPage, brought: int, now: float) -> list[GossipEffect]:
        """Claims came, of which so many were news; others are wanted."""
        if brought > BULK:
            self._next_at = now
            self._again_at = min(
                self._again_at, now + self._config.sync_interval_s * HASTE * (0.5 + self._rng.random())
            )
        return self._pages(received, list(page.wanted), ()) if page.wanted else []

    def tick(self, now: float) -> list[GossipEffect]:
        """Compare with anybody, where the last comparison was worth while."""
        if now < self._again_at:
            return []
        self._again_at = float("inf")
        others = self._roster.others()
        node = others[self._rng.randrange(len(others))] if others else None
        at = self._roster.address(node) if node is not None else None
        return [Send(node, at, RosterSums(self._roster.sums(GRAIN)))] if node is not None and at is not None else []

    def _pages(self, received: Received, nodes: list[NodeId], wanted: tuple[NodeId, ...]) -> list[GossipEffect]:
        """These members in pages that fit a frame; only the last one asks for what is wanted."""
        claims, accusations = self._roster.page(nodes)
        cuts = _cuts(claims)
        pages = [RosterPage(claims[start:end], ()) for start, end in itertools.pairwise(cuts[:-1])]
        pages.append(RosterPage(claims[cuts[-2] :], accusations, wanted))
        return [answer_to(received, page) for page in pages]


def _cuts(claims: tuple[SignedClaim, ...]) -> list[int]:
    """Where pages of claims begin and end."""
    cuts, size = [0], 0
    for index, claim in enumerate(claims):
        size += len(claim.body) + len(claim.signature)
        if size > PAGE_BYTES and index:
            cuts.append(index)
            size = 0
    return [*cuts, len(claims)]
