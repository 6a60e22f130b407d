"""What the plots of an account hold is in test_account.py; here is what they do with little.

Invariant: no simulation runs here.
"""

from sim.experiments.plan import Cell, Chart, Outcome
from sim.experiments.plots import draw
from sim.experiments.results import Measured, Results


def test_a_bar_without_seeds_to_spare_and_a_logarithmic_axis_are_drawn() -> None:
    one = Results([Measured(Cell({"size": 10}, 1), Outcome({"bytes": 100.0}))])
    for kind in ("line", "bars"):
        chart = Chart(
            name="a", title="A", x="size", y="bytes", y_label="B", kind=kind, log_y=True, log_x=kind == "line"
        )
        assert set(draw(chart, one)) == {"png", "svg"}
