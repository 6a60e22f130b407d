"""Who is linked with whom, as arrays: taken from a simulated mesh, or made for as many nodes as one likes.

Invariant: an edge is one direction of a link; edges of one node stand together, `start[i]` to `start[i + 1]`, and `back` names the
other direction, -1 where only one side holds that there is a link.
"""

from collections.abc import Sequence
from random import Random

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from mesh.errors import UsageError
from mesh.gossip.spread import SOWN
from mesh.ids import NodeId
from sim.delays import OneWay, compile_delays
from sim.node import Node
from sim.scenario import NetworkModel

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FAR_S = 0.2  # A link that was never measured is taken to be that far (mesh/gossip/table.py).

# Real peers among a thousand hold these after a dozen writes: 2.6 eager links in their own city, and 0.6 to anybody.
NEAR_EAGER_PAIRS = 0.64  # Beside the two of the ring.
FAR_EAGER_PAIRS = 0.57


class Graph(Struct, frozen=True):
    """Links as edges. `eager`: news leaves at once on it. `rtt_s`: how far its near end takes the other one to be."""

    start: Ints
    to: Ints
    back: Ints
    eager: Flags
    rtt_s: Floats

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return len(self.start) - 1


class Ways(Struct, frozen=True):
    """How long an edge takes one way: `least_s`, up to the share `spread` more, and an exponential with mean `jitter_s`."""

    least_s: Floats
    spread: float
    jitter_s: float


class Origin(Struct, frozen=True):
    """Who says something new, to whom it gives that beside its links, and how long the ways to these take at least."""

    node: int
    sown: Ints
    sown_s: Floats


def graph_of(sources: Ints, targets: Ints, eager: Flags, rtt_s: Floats, nodes: int) -> Graph:
    """A graph of edges in any order, none of them twice."""
    order = np.lexsort((targets, sources))
    sources, targets = sources[order], targets[order]
    forward, backward = sources * nodes + targets, targets * nodes + sources
    found = np.minimum(np.searchsorted(forward, backward), len(forward) - 1)
    back = np.where(forward[found] == backward, found, -1)
    start = np.searchsorted(sources, np.arange(nodes + 1))
    return Graph(start.astype(np.int64), targets, back.astype(np.int64), eager[order], rtt_s[order])


def taken(nodes: Sequence[Node]) -> Graph:
    """The links that the peers of a simulated mesh hold now."""
    numbers = {node.node: node.index for node in nodes}
    edges: list[tuple[int, int, bool, float]] = []
    for node in nodes:
        links = node.peer.links.table.links if node.peer is not None else {}
        for other, link in links.items():
            edges.append((node.index, numbers[NodeId(other)], link.eager, link.rtt_s or FAR_S))
    columns = list(zip(*edges, strict=True)) or [(), (), (), ()]
    pair = np.array(columns[0], np.int64), np.array(columns[1], np.int64)
    return graph_of(*pair, np.array(columns[2], np.bool_), np.array(columns[3], np.float64), len(nodes))


def made(places: Ints, seed: int) -> Graph:
    """Links for nodes at `places`, such as peers hold after some news: of each node's eight, four near and four to anybody.

    Near ones lie inside a place, and most are eager: a ring through each, and pairs. Of those to anybody few are left eager.
    """
    rng, count = np.random.default_rng(seed), len(places)
    near, far = (
        [_by_place(rng.permutation(count), places) for _ in range(3)],
        [rng.permutation(count) for _ in range(3)],
    )
    nearby, bridges = _split(_pairs(near[1]), NEAR_EAGER_PAIRS), _split(_pairs(far[0]), FAR_EAGER_PAIRS)
    at_once = [_ring_within(near[0], places), nearby[0], bridges[0]]
    later = [nearby[1], _pairs(near[2]), bridges[1], _pairs(far[1]), _ring(far[2])]
    sources = np.concatenate([end for one, other in (*at_once, *later) for end in (one, other)])
    targets = np.concatenate([end for one, other in (*at_once, *later) for end in (other, one)])
    eager = np.arange(len(sources)) < 2 * sum(len(one) for one, _ in at_once)
    names, first = np.unique(sources * count + targets, return_index=True)  # What is both is eager: that comes first.
    kept = first[names // count != names % count]
    return graph_of(sources[kept], targets[kept], eager[kept], np.full(len(kept), FAR_S), count)


def _split(pairs: tuple[Ints, Ints], share: float) -> tuple[tuple[Ints, Ints], tuple[Ints, Ints]]:
    """The first of some pairs, and the others."""
    at = round(len(pairs[0]) * share)
    return (pairs[0][:at], pairs[1][:at]), (pairs[0][at:], pairs[1][at:])


def _by_place(order: Ints, places: Ints) -> Ints:
    return order[np.argsort(places[order], kind="stable")]


def _ring(order: Ints) -> tuple[Ints, Ints]:
    return order, np.roll(order, -1)


def _ring_within(order: Ints, places: Ints) -> tuple[Ints, Ints]:
    """A ring through each place; `order` has the nodes of a place together."""
    of = places[order]
    last = np.append(of[1:] != of[:-1], True)
    first = np.concatenate([[0], np.flatnonzero(last)[:-1] + 1])
    following = np.roll(order, -1)
    following[last] = order[first]
    return order, following


def _pairs(order: Ints) -> tuple[Ints, Ints]:
    half = len(order) // 2
    return order[0 : 2 * half : 2], order[1 : 2 * half : 2]


def ways(model: NetworkModel, graph: Graph, places: tuple[int, ...], half_s: Floats) -> Ways:
    """How long each edge of a graph takes in a network; `half_s` is half a round trip between two places."""
    if model.delays is None:
        return Ways(np.full(len(graph.to), model.delay_s), 0.0, model.jitter_s)
    of = np.array(places, np.int64)
    sources = np.repeat(np.arange(graph.nodes), np.diff(graph.start))
    return Ways(half_s[of[sources], of[graph.to]], model.delays.jitter, 0.0)


def sown_from(node: int, graph: Graph, model: NetworkModel, at: tuple[tuple[int, ...], Floats], rng: Random) -> Origin:
    """An origin with members drawn by lot (`mesh/gossip/spread.py`), in a network with these places and half round trips."""
    linked = {node, *graph.to[graph.start[node] : graph.start[node + 1]].tolist()}
    drawn = [one for one in rng.sample(range(graph.nodes), min(SOWN, graph.nodes)) if one not in linked]
    places, half_s = at
    way_s = [model.delay_s if model.delays is None else float(half_s[places[node], places[one]]) for one in drawn]
    return Origin(node, np.array(drawn, np.int64), np.array(way_s, np.float64))


def places_of(model: NetworkModel, nodes: int, seed: int) -> tuple[tuple[int, ...], Floats]:
    """Where each node of the simulated mesh of this seed stands, and half the round trips between places, in seconds.

    Raises UsageError for a model without places, in which each pair has a distance of its own.
    """
    if isinstance(model.delays, OneWay):
        raise UsageError("a delay law without places cannot be laid out for a million nodes", field="network.delays")
    if model.delays is None:
        return (0,) * nodes, np.zeros((1, 1))
    still = compile_delays(replace(model.delays, jitter=0.0), nodes, Random(f"{seed}/network"))
    someone = {place: node for node, place in reversed(list(enumerate(still.of)))}
    half_s = np.zeros((len(still.names), len(still.names)))
    for one, here in someone.items():
        for other, there in someone.items():
            half_s[one, other] = still.delay(here, there)
    return still.of, half_s
