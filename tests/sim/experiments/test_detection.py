"""Detection is measured from the crash, and the bar is on the median of all crashes.

Invariant: results are made up; test_catalogue.py runs the real thing.
"""

from sim.experiments.detection import MEMBERLIST, find, points
from tests.sim.experiments.made_up import bars, results


def test_the_bar_is_on_the_median() -> None:
    point = points(quick=False)[0]
    assert point["profile"] == "lan"
    quick = results((point, {"false_downs": [0, 0]}), samples=[5.0, 6.4, 6.5, 9.0, 4.0])
    assert list(bars(find(quick)).values()) == [True]
    slow = results((point, {"false_downs": [0, 0]}), samples=[5.0, 6.6, 6.7])
    assert list(bars(find(slow)).values()) == [False]


def test_every_profile_of_memberlist_stands_beside_its_figure() -> None:
    told = [one.said for one in find(results(({"profile": "lan"}, {"false_downs": [0]})))]
    assert all(f"{figure:.2f} s" in told for figures in MEMBERLIST.values() for figure in figures)
