"""What the spread of items comes to: by the vectorised model for any number of nodes, and by real peers beside it.

Invariant: both are measured from the moment at which the origin has stored an item to the one at which another node shows it.
"""

from collections.abc import Sequence
from random import Random

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from mesh.gossip.spread import Spread
from mesh.ids import RecordId
from mesh.records import PutRecord, Submit
from sim.run import SimulatedMesh
from sim.scenario import Scenario
from sim.vector.events import Arrivals, Rules, spread_one
from sim.vector.graph import FAR_S, Floats, Graph, made, places_of, sown_from, taken, ways

PACE_S = 1.0  # From one write of real peers to the next.
AGAIN = 4  # So often the model follows each of their writes, by other chances.
DIGITS = 3


class Figures(Struct, frozen=True):
    """Times in milliseconds from stored at the origin to shown at another node; `last_hop` the longest first way, in hops.

    copies: that came to a node beyond the first one, in the mean. rmr: copies sent per node that was reached, less one (Plumtree).
    """

    reached: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    last_ms: float
    copies: float
    last_hop: float | None = None
    rmr: float | None = None
    marks: float | None = None


class Outcome(Struct, frozen=True):
    """What became of `items` among `nodes`; `links` and `eager` of a node in the mean. `exact`: of real peers with these links."""

    nodes: int
    seed: int
    items: int
    links: float
    eager: float
    model: Figures
    exact: Figures | None = None

    @property
    def apart(self) -> float | None:
        """By which share the model's median differs from the real peers'."""
        return abs(self.model.p50_ms / self.exact.p50_ms - 1.0) if self.exact is not None else None


def rules_of(scenario: Scenario) -> Rules:
    """What of a scenario befalls an item."""
    return Rules(scenario.network.loss, scenario.disk.store_s, scenario.disk.store_jitter_s)


def spread(scenario: Scenario, seed: int, items: int) -> Outcome:
    """The model alone, with links such as peers agree on. Raises UsageError for delays that know no places."""
    places, half_s = places_of(scenario.network, scenario.nodes, seed)
    graph = made(np.array(places, np.int64), seed)
    lengths = ways(scenario.network, graph, places, half_s)
    rtt_s = 2 * lengths.least_s if scenario.network.delays is not None else np.full(len(graph.to), FAR_S)
    graph = replace(graph, rtt_s=rtt_s)
    rng, rules = Random(f"{seed}/origins"), rules_of(scenario)
    found: list[Arrivals] = []
    for _ in range(items):
        origin = sown_from(rng.randrange(graph.nodes), graph, scenario.network, (places, half_s), rng)
        found.append(spread_one(graph, lengths, rules, origin, rng.getrandbits(31)))
    return _outcome(scenario.nodes, seed, items, [graph], figures(found))


def compare(scenario: Scenario, seed: int, items: int) -> Outcome:
    """Real peers write `items` times, and the model follows each from the same origin, on the links that they hold just then."""
    places, half_s = places_of(scenario.network, scenario.nodes, seed)
    mesh, rng = SimulatedMesh(scenario, seed), Random(f"{seed}/origins")
    mesh.world.run(scenario.workload.from_s)
    graphs: list[Graph] = []
    found: list[Arrivals] = []
    for _ in range(items):
        graphs.append(taken(mesh.nodes))
        lengths = ways(scenario.network, graphs[-1], places, half_s)
        origin = rng.randrange(scenario.nodes)
        for _ in range(AGAIN):
            sown = sown_from(origin, graphs[-1], scenario.network, (places, half_s), rng)
            found.append(spread_one(graphs[-1], lengths, rules_of(scenario), sown, rng.getrandbits(31)))
        _write(mesh, origin)
        mesh.world.run(mesh.world.now + PACE_S)
    return replace(_outcome(scenario.nodes, seed, items, graphs, figures(found)), exact=_exact(mesh, items))


def _write(mesh: SimulatedMesh, origin: int) -> None:
    request = mesh.metrics.journal.submit(origin, mesh.world.now)
    record = RecordId("variable", f"SIM/{request}")
    mesh.nodes[origin].tell(Submit(request, (PutRecord(record, {"value": request}),), "an author"))


def _outcome(nodes: int, seed: int, items: int, graphs: Sequence[Graph], found: Figures) -> Outcome:
    links = float(np.mean([len(graph.to) / nodes for graph in graphs]))
    eager = float(np.mean([graph.eager.sum() / nodes for graph in graphs]))
    return Outcome(nodes, seed, items, round(links, DIGITS), round(eager, DIGITS), found)


def figures(found: Sequence[Arrivals]) -> Figures:
    """What several items come to. Origins do not count as reached by themselves."""
    shown_s = np.concatenate([one.shown_s[one.shown_s != 0.0] for one in found])
    reached = shown_s[~np.isnan(shown_s)]
    copies = sum(int(one.copies.sum()) for one in found)
    told = _times(reached, len(shown_s), copies - len(reached))
    return replace(
        told,
        last_hop=round(float(np.mean([one.hops.max() for one in found])), DIGITS),
        rmr=round(copies / max(1, len(reached)) - 1.0, DIGITS),
        marks=round(sum(one.marks for one in found) / max(1, len(shown_s)), DIGITS),
    )


def _exact(mesh: SimulatedMesh, items: int) -> Figures:
    spreads = [node.peer.spread for node in mesh.nodes if node.peer is not None]
    again = sum(one.batches.again for one in spreads if isinstance(one, Spread))
    return _times(np.array(mesh.metrics.journal.delays_s), items * (len(mesh.nodes) - 1), again)


def _times(reached_s: Floats, wanted: int, again: int) -> Figures:
    quantiles = np.quantile(reached_s, [0.5, 0.9, 0.99, 1.0]) * 1000 if len(reached_s) else [float("nan")] * 4
    p50, p90, p99, last = (round(float(value), DIGITS) for value in quantiles)
    return Figures(len(reached_s) / max(1, wanted), p50, p90, p99, last, round(again / max(1, wanted), DIGITS))
