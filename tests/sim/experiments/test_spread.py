"""Copies, hops and losses of writes are counted where they arrive.

Invariant: the mesh is real where they are counted.
"""

from sim.experiments.spread import find, measure, scenario
from tests.sim.experiments.made_up import bars, results


def test_in_a_mesh_of_a_few_the_origin_tells_all_over_one_link() -> None:
    point = {"nodes": 4, "loss": 0.0, "writes": 2}
    found = measure(scenario(point), point, 1)
    assert found.figures["copies"] == found.figures["lost"] == 0.0
    assert (found.figures["last_hop"], found.figures["pushed"]) == (1.0, 1.0)
    assert len(found.samples["last_ms"]) == 2


def test_the_bar_is_on_copies_time_and_losses() -> None:
    def reached(copies: float, lost: float, last_ms: float) -> list[bool]:
        rows = [
            ({"nodes": 800, "loss": loss}, {"copies": [copies, copies], "lost": [0, lost], "rmr": [1, 1]})
            for loss in (0.0, 0.05)
        ]
        return list(bars(find(results(*rows, samples=[last_ms]))).values())

    assert reached(2.0, 0, 300.0) == [True] * 6
    assert reached(2.1, 1, 301.0) == [False] * 6
