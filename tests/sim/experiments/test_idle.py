"""What an idle mesh costs is counted after its start, and the bar has two halves.

Invariant: results are made up; test_catalogue.py runs the real thing.
"""

from sim.experiments.idle import find
from tests.sim.experiments.made_up import bars, results


def test_it_must_be_little_and_must_not_grow() -> None:
    def reached(small: float, large: float) -> list[bool]:
        rows = [({"nodes": nodes}, {"byte_s": [cost, cost]}) for nodes, cost in ((50, small), (1000, large))]
        return list(bars(find(results(*rows))).values())

    assert reached(500.0, 600.0) == [True, True]
    assert reached(100.0, 600.0) == [True, False]
    assert reached(500.0, 601.0) == [False, True]
