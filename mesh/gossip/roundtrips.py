"""How long a member's answers take (RFC 6298 §2).

Invariant: a time-out lies between a fifth of the configured one, so that a quick path's hiccup is no silence, and four fifths of
the probe interval, so that helpers still have time; a member that never answered has the configured one.
"""

from itertools import islice

from mesh.config import GossipConfig
from mesh.ids import NodeId

KNOWN_MAX = 4_096  # Members of which round trips are remembered; the one measured longest ago is forgotten.
GAIN = 1 / 8
DEVIATION_GAIN = 1 / 4
DEVIATIONS = 4


class RoundTrips:
    """Smoothed round trips and their deviations, in seconds."""

    __slots__ = ("_config", "_known", "count")

    def __init__(self, config: GossipConfig) -> None:
        self._config = config
        self._known: dict[NodeId, tuple[float, float]] = {}
        self.count = 0  # Of all measurements.

    def measured(self, node: NodeId, took_s: float) -> None:
        """An answer of `node` itself took this long."""
        self.count += 1
        before = self._known.pop(node, None)
        if before is None:
            self._known[node] = (took_s, took_s / 2)
        else:
            smoothed, deviation = before
            deviation += DEVIATION_GAIN * (abs(took_s - smoothed) - deviation)
            self._known[node] = (smoothed + GAIN * (took_s - smoothed), deviation)
        if len(self._known) > KNOWN_MAX:
            del self._known[next(iter(self._known))]

    def smoothed_s(self, node: NodeId) -> float | None:
        """The member's smoothed round trip, where it was ever measured."""
        known = self._known.get(node)
        return known[0] if known is not None else None

    def timeout_s(self, node: NodeId) -> float:
        """How long an answer of this member may take."""
        known, config = self._known.get(node), self._config
        if known is None or not config.adaptive_timeouts:
            return config.probe_timeout_s
        expected = known[0] + DEVIATIONS * known[1]
        return min(max(expected, config.probe_timeout_s / 5), config.probe_interval_s * 0.8)

    def latest(self, count: int) -> list[tuple[NodeId, float]]:
        """The members of the last `count` measurements and their smoothed round trips, the last one first."""
        return [(node, self._known[node][0]) for node in islice(reversed(self._known), count)]

    def rows(self) -> list[tuple[NodeId, float]]:
        """Every member measured and its smoothed round trip, the one measured longest ago first."""
        return [(node, smoothed) for node, (smoothed, _) in self._known.items()]
