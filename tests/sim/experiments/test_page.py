"""What the page of an account hold is in test_account.py; here is what they do with little.

Invariant: no simulation runs here.
"""

from sim.experiments.account import account_of
from sim.experiments.page import page
from sim.experiments.plan import Cell, Outcome
from sim.experiments.results import Measured
from sim.provenance import provenance
from tests.sim.experiments.own import EXPERIMENT


def test_a_quick_page_says_that_it_measures_nothing() -> None:
    measured = [Measured(Cell({"nodes": 2, "profile": "lan"}, 1), Outcome({"pings": 3.0}))]
    for quick in (True, False):
        account, _ = account_of("own", EXPERIMENT, quick, measured, (provenance(), 0.0))
        text = page(account, EXPERIMENT, {})
        assert ("too small to measure anything" in text) == quick
        assert "3 (one seed)" in text
        assert "not measured" in text
