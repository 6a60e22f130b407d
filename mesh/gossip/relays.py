"""Probes that this member makes for others (SWIM §3.1, indirect probe; Lifeguard's nack).

Invariant: at most `RELAYS_MAX` wait for an answer; each is answered with the target's ack, and once
without it where it stays silent.
"""

import math

from msgspec import Struct

from mesh.config import GossipConfig
from mesh.ids import NodeId

RELAYS_MAX = 256  # Probes passed on for others that wait for an answer.
NACK_SHARE = (
    0.8  # Of the time that the requester has left: its nack must come before the period ends (Lifeguard §IV-A).
)


class Relay(Struct):
    """A probe that we make for another member."""

    requester: NodeId
    probe: int
    target: NodeId
    nack_at: float
    until: float


class Relays:
    """Who waits for whose answer. The keys are the numbers of our own pings, oldest first."""

    __slots__ = ("_config", "_nack_at", "_waiting")

    def __init__(self, config: GossipConfig) -> None:
        self._config = config
        self._waiting: dict[int, Relay] = {}
        self._nack_at = math.inf

    def take(self, number: int, requester: NodeId, probe: int, target: NodeId, now: float) -> bool:
        """Remember whom to answer when ping `number` is. False: too many wait already."""
        over = [known for known, relay in self._waiting.items() if relay.until <= now]
        for known in over:
            del self._waiting[known]
        if len(self._waiting) >= RELAYS_MAX:
            return False
        config = self._config
        left_s = config.probe_interval_s - config.probe_timeout_s
        nack_at = now + left_s * NACK_SHARE if config.nacks else math.inf
        self._waiting[number] = Relay(requester, probe, target, nack_at, now + config.probe_interval_s)
        self._nack_at = min(self._nack_at, nack_at)
        return True

    def answered(self, target: NodeId, number: int) -> tuple[NodeId, int] | None:
        """The member and its probe that this ack answers."""
        relay = self._waiting.get(number)
        if relay is None or relay.target != target:
            return None
        del self._waiting[number]
        return relay.requester, relay.probe

    def deadline(self) -> float:
        """When the next requester is told of silence."""
        return self._nack_at

    def silent(self, now: float) -> list[Relay]:
        """Whose requesters are to be told of silence now. A late ack is passed on all the same."""
        if now < self._nack_at:
            return []
        found = [relay for relay in self._waiting.values() if relay.nack_at <= now]
        for relay in found:
            relay.nack_at = math.inf
        self._nack_at = min((relay.nack_at for relay in self._waiting.values()), default=math.inf)
        return found

    def check(self) -> None:
        """Raise AssertionError where an invariant is broken."""
        assert len(self._waiting) <= RELAYS_MAX
