"""Which members answer this one directly, and which of the others it hears all the same: faults that go one way only (DESIGN §7).

Invariant: only a member that left `MISSES` questions in a row without an answer of its own is out of earshot, and its next answer
ends that; no verdict rests on it, because helpers may reach who is out of earshot here. Who left one unanswered is asked again
beside the round, each time later, until its turn would come sooner; and who asks twice in a row is asked, too: it may not hear us.
"""

import math

from msgspec import Struct

from mesh.config import GossipConfig
from mesh.ids import NodeId

MISSES = 3  # Two may be chance: at 5 % loss each way a hundredth of all pairs of questions. Three are a thousandth.
AGAIN_WITHIN = 2.0  # Times `again_periods`: who asks twice within so long has not heard the answer, or it is chance.
ASKERS_MAX = 64  # Of whom it is known when they asked last: a member is asked about once per probe interval.
MEMBERS_MIN = 9  # In a smaller mesh turns come as often.
AGAIN_MAX = 16  # Members that are asked again, at once: who is cut off from all of them asks eight times per second.


class Missing(Struct, gc=False):
    """A member that left `count` questions unanswered, or seems not to hear us. `at`: when it is asked, or should have answered."""

    count: int = 0
    heard: bool = False
    turns: int = 0  # Of the round, since a question of that member came in last, or since the first that it missed.
    at: float = math.inf
    waiting: bool = False


class Earshot:
    """Questions that were not answered directly, by member."""

    __slots__ = ("_asked", "_config", "_due", "_missing")

    def __init__(self, config: GossipConfig) -> None:
        self._config = config
        self._missing: dict[NodeId, Missing] = {}
        self._asked: dict[NodeId, float] = {}
        self._due = math.inf

    def deadline(self) -> float:
        """When somebody is asked again, or should have answered."""
        return self._due

    def missed(self, node: NodeId, members: int, now: float) -> bool:
        """A question in its turn had no answer in time, in a mesh of so many. True: now the member is out of earshot."""
        missing = self._missing.setdefault(node, Missing())
        missing.turns += 1
        return self._missed(missing, members, now)

    def _missed(self, missing: Missing, members: int, now: float) -> bool:
        missing.count += 1
        missing.at, missing.waiting = math.inf, False
        pause = self._config.again_periods * 2 ** max(0, missing.count - MISSES + 1)
        if 0 < pause < members - 1 and not self._is_busy():
            missing.at = now + pause * self._config.probe_interval_s
        self._reckon()
        return missing.count == MISSES

    def _is_busy(self) -> bool:
        return sum(missing.at < math.inf for missing in self._missing.values()) >= AGAIN_MAX

    def ask_again(self, patience_s: float, now: float) -> list[NodeId]:
        """Whom to ask now, beside the round; each has so many seconds to answer."""
        asked = [node for node, missing in self._missing.items() if missing.at <= now and not missing.waiting]
        for node in asked:
            missing = self._missing[node]
            missing.at, missing.waiting = now + patience_s, True
        self._reckon()
        return asked

    def unanswered(self, members: int, now: float) -> list[NodeId]:
        """Who was asked again and did not answer, and is out of earshot with that."""
        over = [node for node, missing in self._missing.items() if missing.waiting and missing.at <= now]
        return [node for node in over if self._missed(self._missing[node], members, now)]

    def postpone(self, by_s: float) -> None:
        """Give everybody so much more time: this process stood still."""
        for missing in self._missing.values():
            missing.at += by_s
        self._reckon()

    def answered(self, node: NodeId) -> None:
        """An answer came from the member itself, however late."""
        if node in self._missing:
            self.forget(node)

    def asked(self, node: NodeId, members: int, now: float) -> None:
        """A question of the member itself came in, in a mesh of so many."""
        if (missing := self._missing.get(node)) is not None:
            missing.heard, missing.turns = True, 0
            return
        if not self._config.again_periods or members < MEMBERS_MIN:
            return
        soon_s = AGAIN_WITHIN * self._config.again_periods * self._config.probe_interval_s
        before = self._asked.pop(node, -math.inf)
        self._asked[node] = now
        if len(self._asked) > ASKERS_MAX:
            del self._asked[next(iter(self._asked))]
        if now <= before + soon_s and not self._is_busy():
            # Of two that ask each other because they were asked, each waits for two questions again.
            del self._asked[node]
            self._missing[node] = Missing(heard=True, at=now)
            self._reckon()

    def forget(self, node: NodeId) -> None:
        """The member no longer takes part, or all is well."""
        if self._missing.pop(node, None) is not None:
            self._reckon()

    def _reckon(self) -> None:
        self._due = min((missing.at for missing in self._missing.values()), default=math.inf)

    def out_of(self, node: NodeId) -> bool:
        """Whether the member does not answer directly."""
        missing = self._missing.get(node)
        return missing is not None and missing.count >= MISSES

    def hears(self, node: NodeId) -> bool:
        """Whether questions of a member that left some unanswered came in while it did: what it sends arrives here."""
        missing = self._missing.get(node)
        return missing is not None and missing.heard and missing.turns < MISSES

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        assert all(missing.count > 0 or missing.at < math.inf for missing in self._missing.values())
        assert len(self._asked) <= ASKERS_MAX
        assert sum(missing.at < math.inf for missing in self._missing.values()) <= AGAIN_MAX
        assert self._due == min((missing.at for missing in self._missing.values()), default=math.inf)
