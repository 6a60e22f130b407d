"""Worlds for experiments: scenarios with nothing in them but what is measured, and ears at every peer.

Invariant: who listens changes nothing of what a peer does or sees.
"""

from collections.abc import Callable
from random import Random

from mesh.effects import Effect
from mesh.gossip.spread import Arrivals, Spread
from mesh.origin import Origin
from mesh.peer import Event, Peer
from sim.node import MakePeer
from sim.run import SimulatedMesh
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


def listening(hear: Hear, kind: type[Peer] = Peer) -> MakePeer:
    """Makes peers of a kind that tell `hear` of each event and what came of it."""

    class Listened(kind):  # type: ignore[valid-type, misc]
        def handle(self, event: Event, now: float) -> list[Effect]:
            effects: list[Effect] = super().handle(event, now)
            hear(self, event, effects)
            return effects

    def make(origin: Origin, rng: Random, entropy: Callable[[int], bytes], now: float) -> Peer:
        made: Peer = Listened(origin, rng, entropy, now)
        return made

    return make


def pushed(mesh: SimulatedMesh, of: Callable[[Spread], Arrivals]) -> tuple[int, int]:
    """How many items were pushed to peers for the first time, and again; `of` tells of one peer which ones are meant."""
    spreads = [node.peer.spread for node in mesh.nodes if node.peer is not None]
    arrivals = [of(one) for one in spreads if isinstance(one, Spread)]
    return sum(one.first for one in arrivals), sum(one.again for one in arrivals)
