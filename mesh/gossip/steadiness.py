"""Steadiness: who is accused wrongly again and again is shown as unsteady, and removed less readily (route flap damping, RFC 2439).

Invariant: a member is unsteady for a time that each further refutation begins anew and each further wrong removal doubles, up to a
bound; a member that never refuted in this life is judged as if this did not exist.
"""

import math
from collections import deque

from msgspec import Struct

from mesh.config import GossipConfig
from mesh.gossip.members import Member
from mesh.gossip.roster import Refuted
from mesh.ids import NodeId
from mesh.messages import Standing

REFUTED_MAX = 3  # So many refutations in one hold's time: a path that loses little has one in a day.
PATIENCE = 0.5  # Of the hold: so long an unsteady member may be silent before it is removed.
DOUBLINGS_MAX = 5  # A fault of half an hour's period is not damped; RFC 2439 holds for an hour at most.
MASS = 0.1  # Of all members: so many that come back together were behind a cut, and are steady.
MASS_LEAST = 2
REMEMBERED = 4  # So many times its length a hold that has ended is remembered, to be doubled when the next one begins.
NEWCOMER = 2  # So many holds long a process that just started takes it that others know more than it does.
KNOWN_MAX = 4_096


class Change(Struct, frozen=True):
    """A member is unsteady from now on, or no longer. `held_s`: for how long at least."""

    node: NodeId
    unsteady: bool
    held_s: float = 0.0


class Hold(Struct):
    """How long a member counts as unsteady; with `over` only that it did is remembered, until then."""

    length_s: float
    until: float
    removed: bool
    over: bool = False


class Steadiness:
    """Which members are unsteady."""

    __slots__ = ("_back", "_began", "_hold_s", "_holds", "_longest_s", "_refuted")

    def __init__(self, config: GossipConfig, now: float) -> None:
        self._hold_s = config.hold_periods * config.probe_interval_s
        self._longest_s: float = self._hold_s * 2**DOUBLINGS_MAX
        self._began = now
        self._refuted: dict[NodeId, deque[float]] = {}
        self._back: dict[NodeId, float] = {}  # Who was held down and came back, in the order in which they did.
        self._holds: dict[NodeId, Hold] = {}

    def deadline(self) -> float:
        """When a hold ends, or is forgotten."""
        return min([hold.until for hold in self._holds.values()]) if self._holds else math.inf

    def unsteady(self, node: NodeId) -> bool:
        """Whether a member is unsteady now."""
        hold = self._holds.get(node)
        return hold is not None and not hold.over

    def patience_s(self, member: Member, now: float) -> float:
        """How long a suspect may at least be silent before it is removed, in seconds; 0: as long as any other."""
        hold = self._holds.get(member.claim.node)
        if hold is not None and not hold.over:
            return hold.length_s * PATIENCE
        young = now < self._began + NEWCOMER * self._hold_s
        return self._hold_s * PATIENCE if young and member.claim.counter >= REFUTED_MAX else 0.0

    def refuted(self, node: NodeId, refuted: Refuted, members: int, now: float) -> list[Change]:
        """A member has refuted accusations, in a mesh of so many. Who is steady after all is named, too."""
        if not self._hold_s:
            return []
        removed = refuted.was is Standing.DOWN
        if removed and self._is_mass(node, members, now):
            return self._release()
        hold = self._holds.get(node)
        if hold is not None and not hold.over:
            hold.length_s = self._longer(hold.length_s) if removed else hold.length_s
            hold.until = now + hold.length_s
            return []
        if not removed and not self._often(node, refuted.times, now):
            return []
        length_s = self._longer(hold.length_s) if hold is not None else self._hold_s
        self._holds[node] = Hold(length_s, now + length_s, removed)
        return [Change(node, True, length_s)]

    def _often(self, node: NodeId, times: int, now: float) -> bool:
        moments = self._refuted.pop(node, None) or deque(maxlen=REFUTED_MAX)
        moments.extend([now] * min(times, REFUTED_MAX))
        self._refuted[node] = moments
        if len(self._refuted) > KNOWN_MAX:
            del self._refuted[next(iter(self._refuted))]
        return len(moments) == REFUTED_MAX and moments[0] > now - self._hold_s

    def _is_mass(self, node: NodeId, members: int, now: float) -> bool:
        self._back.pop(node, None)
        self._back[node] = now
        while next(iter(self._back.values())) <= now - self._hold_s:
            del self._back[next(iter(self._back))]
        return len(self._back) > max(MASS_LEAST, MASS * members)

    def _release(self) -> list[Change]:
        """All who came back lately were behind the same cut."""
        released = [node for node in self._back if (hold := self._holds.get(node)) is not None and hold.removed]
        freed = [Change(node, False) for node in released if self.unsteady(node)]
        for node in released:
            del self._holds[node]
        return freed

    def _longer(self, length_s: float) -> float:
        return min(2 * length_s, self._longest_s)

    def forget(self, node: NodeId) -> list[Change]:
        """A new life of the member, or its farewell: what was before says nothing of it."""
        self._refuted.pop(node, None)
        hold = self._holds.pop(node, None)
        return [Change(node, False)] if hold is not None and not hold.over else []

    def tick(self, now: float) -> list[Change]:
        """Whose hold has ended."""
        changes: list[Change] = []
        for node in [node for node, hold in self._holds.items() if hold.until <= now]:
            hold = self._holds[node]
            if hold.over:
                del self._holds[node]
            else:
                hold.over, hold.until = True, now + REMEMBERED * hold.length_s
                changes.append(Change(node, False))
        return changes

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        assert len(self._refuted) <= KNOWN_MAX
        assert all(hold.length_s <= self._longest_s for hold in self._holds.values())
