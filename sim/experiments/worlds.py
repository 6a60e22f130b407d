"""Worlds for experiments: scenarios with nothing in them but what is measured, and ears at every peer.

Invariant: who listens changes nothing of what a peer does or sees.
"""

from collections.abc import Callable
from random import Random

from mesh.effects import Effect
from mesh.origin import Origin
from mesh.peer import Event, Peer
from sim.node import MakePeer
from sim.scenario import Scenario, read_scenario

NEVER_S = 1e9
CHECK_EVERY = 20_000  # Checks cost as much as the mesh is large; swarms are there to find faults.

Hear = Callable[[Peer, Event, list[Effect]], None]


def quiet(about: str, nodes: int, seconds: float, **parts: object) -> Scenario:
    """A mesh that has found itself, without writes and boards; `parts` as in a scenario's file."""
    raw: dict[str, object] = {
        "name": "experiment",
        "about": about,
        "nodes": nodes,
        "seconds": seconds,
        "start": {"known": True},
        "workload": {"writes_per_s": 0.0, "publish_interval_s": NEVER_S, "settle_s": 1.0},
        "checks": {"every": CHECK_EVERY, "dead_s": NEVER_S},
    }
    for name, part in parts.items():
        before = raw.get(name)
        raw[name] = {**before, **part} if isinstance(before, dict) and isinstance(part, dict) else part
    return read_scenario(raw, "experiment")


def listening(hear: Hear) -> MakePeer:
    """Makes peers that tell `hear` of each event and what came of it."""

    class Listened(Peer):
        def handle(self, event: Event, now: float) -> list[Effect]:
            effects = super().handle(event, now)
            hear(self, event, effects)
            return effects

    def make(origin: Origin, rng: Random, entropy: Callable[[int], bytes], now: float) -> Peer:
        return Listened(origin, rng, entropy, now)

    return make
