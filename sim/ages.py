"""How old a board's change is where it is shown.

Invariant: a change counts at a node that was up when its owner said it, and once there, the first time.
"""

from collections.abc import Sequence
from typing import Protocol

from mesh.effects import Posted
from mesh.ids import NodeId

FOLLOWED = 20

Change = tuple[NodeId, str, float]
"""An owner, a topic, and the owner's clock when it said so."""


class Host(Protocol):
    """What is asked of a machine. `started_at`: when its process started, in virtual seconds."""

    node: NodeId
    started_at: float


class Ages:
    """Follows the changes of a few owners from where they are said to everywhere."""

    __slots__ = ("_followed", "_said", "_shown")

    def __init__(self) -> None:
        self._followed: frozenset[NodeId] = frozenset()
        self._said: dict[Change, float] = {}
        self._shown: dict[Change, dict[NodeId, float]] = {}  # How old it was where it was shown, in seconds.

    def follow(self, hosts: Sequence[Host]) -> None:
        """From now on follow what some of these say, `FOLLOWED` to twice as many, evenly spread; what was before is forgotten."""
        self._followed = frozenset(host.node for host in hosts[:: max(1, len(hosts) // FOLLOWED)])
        self._said.clear()
        self._shown.clear()

    def hear(self, host: Host, posted: Posted, now: float) -> None:
        """A board's changes are shown at a machine."""
        if posted.owner not in self._followed:
            return
        for item in posted.items:
            change = (posted.owner, item.topic, item.at)
            if posted.owner == host.node:
                self._said.setdefault(change, now)
            elif (said_at := self._said.get(change)) is not None and host.started_at <= said_at:
                self._shown.setdefault(change, {}).setdefault(host.node, now - said_at)

    @property
    def said(self) -> int:
        """How many changes were said by those that are followed."""
        return len(self._said)

    def by_change(self) -> list[list[float]]:
        """The ages of each change that was shown anywhere, in seconds."""
        return [list(shown.values()) for shown in self._shown.values()]

    def all_s(self) -> list[float]:
        """Every age, in seconds, change by change."""
        return [age for ages in self.by_change() for age in ages]
