"""Links as arrays: each edge knows its other direction, and made links hold a mesh together."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.delays import Regions
from sim.scenario import NetworkModel
from sim.vector.graph import Graph, made, places_of, ways


def in_one_piece(graph: Graph) -> bool:
    seen, left = {0}, [0]
    while left:
        node = left.pop()
        for edge in range(graph.start[node], graph.start[node + 1]):
            other = int(graph.to[edge])
            if graph.eager[edge] and other not in seen:
                seen.add(other)
                left.append(other)
    return len(seen) == graph.nodes


@given(st.integers(2, 300), st.integers(1, 5), st.integers(0, 2**31))
@settings(max_examples=30)
def test_made_links_are_two_way_few_and_hold_the_mesh_together(nodes: int, places: int, seed: int) -> None:
    graph = made(np.random.default_rng(seed).integers(0, places, nodes), seed)
    sources = np.repeat(np.arange(nodes), np.diff(graph.start))
    assert (graph.back >= 0).all()
    assert (graph.to[graph.back] == sources).all()
    assert (graph.eager[graph.back] == graph.eager).all()
    assert (graph.to != sources).all()
    assert np.diff(graph.start).max() <= 8
    assert in_one_piece(graph)


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
