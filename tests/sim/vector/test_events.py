"""One item in the model: everybody gets it, over known ways, and what is lost is asked for."""

import numpy as np

from mesh.gossip.wanted import FIRST_WAIT_S
from sim.vector.events import MARKS_S, Rules, spread_one
from sim.vector.graph import Graph, Origin, Ways, graph_of, made

QUICK = Rules(store_s=0.001, store_jitter_s=0.0)


def line(nodes: int, lazy: int | None = None) -> Graph:
    """Nodes in a row; the link behind node `lazy` is a lazy one."""
    one = np.arange(nodes - 1)
    sources, targets = np.concatenate([one, one + 1]), np.concatenate([one + 1, one])
    eager = np.concatenate([one != lazy, one != lazy]) if lazy is not None else np.ones(2 * nodes - 2, np.bool_)
    return graph_of(sources, targets, eager, np.full(2 * nodes - 2, 0.02), nodes)


def origin(node: int, *sown: int, sown_s: float = 0.03) -> Origin:
    return Origin(node, np.array(sown, np.int64), np.full(len(sown), sown_s))


def even(graph: Graph) -> Ways:
    return Ways(np.full(len(graph.to), 0.01), 0.0, 0.0)


def test_on_a_line_each_hop_takes_its_way_and_a_commit_and_nothing_comes_twice() -> None:
    graph = line(5)
    found = spread_one(graph, even(graph), QUICK, origin(0), 1)
    assert np.allclose(found.shown_s, [0.0, 0.011, 0.022, 0.033, 0.044])
    assert found.hops.tolist() == [0, 1, 2, 3, 4]
    assert found.copies.tolist() == [0, 1, 1, 1, 1]
    assert (found.marks, found.asks) == (4, 0)  # Who gave it tells of it too, in case it was lost.


def test_what_is_sown_is_there_before_what_comes_along_links() -> None:
    graph = line(5)
    found = spread_one(graph, even(graph), QUICK, origin(0, 4, sown_s=0.02), 1)
    assert np.allclose(found.shown_s, [0.0, 0.011, 0.022, 0.032, 0.021])
    assert found.hops.tolist() == [0, 1, 2, 2, 1]


def test_behind_a_lazy_link_an_item_is_asked_for() -> None:
    graph = line(3, lazy=1)
    found = spread_one(graph, even(graph), QUICK, origin(0), 1)
    asked_s = 0.011 + MARKS_S + 0.01 + FIRST_WAIT_S
    assert np.allclose(found.shown_s, [0.0, 0.011, asked_s + 0.01 + 0.01 + 0.001])
    assert (found.marks, found.asks) == (2, 1)


def test_what_is_lost_on_eager_links_mostly_comes_by_others() -> None:
    graph = made(np.zeros(2_000, np.int64), 1)
    found = spread_one(graph, even(graph), Rules(loss=0.2), origin(7), 1)
    assert np.isnan(found.shown_s).sum() < 20
    assert spread_one(graph, even(graph), Rules(loss=1.0), origin(7, 9, 11), 1).copies.sum() == 0


def test_one_seed_gives_the_same_arrivals() -> None:
    graph = made(np.zeros(300, np.int64), 1)
    one, same, other = (spread_one(graph, even(graph), Rules(loss=0.1), origin(0), seed) for seed in (3, 3, 4))
    assert np.array_equal(one.shown_s, same.shown_s, equal_nan=True)
    assert not np.array_equal(one.shown_s, other.shown_s, equal_nan=True)
