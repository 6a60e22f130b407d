"""Changes of boards are timed from where they are said to where they are shown.

Invariant: the mesh is real where they are counted.
"""

from sim.experiments.boards import find, measure, scenario
from tests.sim.experiments.made_up import bars, results


def test_a_mesh_of_a_few_shows_every_change_once_and_soon() -> None:
    point = {"nodes": 4, "changes": 2}
    found = measure(scenario(point), point, 1)
    assert (found.figures["copies"], found.figures["shown"], found.figures["behind"]) == (0.0, 1.0, 0.0)
    assert 0.0 < min(found.samples["age_ms"]) <= max(found.samples["age_ms"]) == max(found.samples["last_ms"]) < 100.0


def test_nobody_may_be_behind_and_a_change_is_shown_before_the_next() -> None:
    def reached(behind: float, age_ms: float) -> list[bool]:
        return list(bars(find(results(({"nodes": 100}, {"behind": [0, behind]}), samples=[age_ms]))).values())

    assert reached(0, 1000.0) == [True, True]
    assert reached(1, 1000.1) == [False, False]
