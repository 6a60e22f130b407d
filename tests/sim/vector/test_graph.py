"""Links as arrays: each edge knows its other direction, and made links hold a mesh together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.delays import Geographic, Regions
from sim.scenario import NetworkModel
from sim.vector.graph import Graph, made, places_of, ways


def reached(graph: Graph, first: int, eager: bool) -> set[int]:
    """Whom one comes to from a node, over all links or the eager ones."""
    seen, left = {first}, [first]
    while left:
        node = left.pop()
        for edge in range(graph.start[node], graph.start[node + 1]):
            other = int(graph.to[edge])
            if (graph.eager[edge] or not eager) and other not in seen:
                seen.add(other)
                left.append(other)
    return seen


@given(st.integers(2, 300), st.integers(1, 5), st.integers(0, 2**31))
@settings(max_examples=30)
def test_made_links_are_two_way_few_and_hold_the_mesh_together(nodes: int, places: int, seed: int) -> None:
    of = np.random.default_rng(seed).integers(0, places, nodes)
    graph = made(of, seed)
    sources = np.repeat(np.arange(nodes), np.diff(graph.start))
    assert (graph.back >= 0).all()
    assert (graph.to[graph.back] == sources).all()
    assert (graph.eager[graph.back] == graph.eager).all()
    assert (graph.to != sources).all()
    assert np.diff(graph.start).max() <= 8
    assert len(reached(graph, 0, eager=False)) == nodes
    for place in set(of.tolist()):
        inside = np.flatnonzero(of == place).tolist()
        assert set(inside) <= reached(graph, inside[0], eager=True)


def test_made_links_are_near_and_eager_as_those_of_real_peers() -> None:
    """A thousand real peers in nineteen cities hold 8.0 links after a dozen writes, 4.0 in their own city; 3.2 eager, 2.6 there."""
    nodes = 1_000
    places, _ = places_of(NetworkModel(delays=Geographic()), nodes, 1)
    of, graph = np.array(places), made(np.array(places), 1)
    inside = of[np.repeat(np.arange(nodes), np.diff(graph.start))] == of[graph.to]
    links, near = len(graph.to) / nodes, inside.sum() / nodes
    eager, near_eager = graph.eager.sum() / nodes, (graph.eager & inside).sum() / nodes
    assert (links, near, eager, near_eager) == pytest.approx((7.96, 3.96, 3.21, 2.64), rel=0.05)


def test_an_edge_takes_half_a_round_trip_between_its_places() -> None:
    names, rtt_s = ("here", "there"), ((0.001, 0.1), (0.1, 0.002))
    model = NetworkModel(delays=Regions(names=names, rtt_s=rtt_s, jitter=0.2))
    places, half_s = places_of(model, 40, 1)
    graph = made(np.array(places), 1)
    found = ways(model, graph, places, half_s)
    sources = np.repeat(np.arange(40), np.diff(graph.start))
    wanted = [rtt_s[places[one]][places[other]] / 2 for one, other in zip(sources, graph.to, strict=True)]
    assert np.allclose(found.least_s, wanted)
    assert found.spread == 0.2
