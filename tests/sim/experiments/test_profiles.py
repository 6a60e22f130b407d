"""The profiles are worth something on the networks that they are for: real peers, a few seeds.

Invariant: what is promised here is what docs/profiles.md says.
"""

from pathlib import Path

import pytest

from sim.experiments.intervals import quantile
from sim.experiments.plan import Outcome, Point
from sim.experiments.profiles import WITHIN_S, find, measure, scenario
from tests.sim.experiments.made_up import bars, results

PAGE = Path(__file__).resolve().parents[3] / "docs" / "profiles.md"


def run(network: str, profile: str, seed: int) -> Outcome:
    point: Point = {"network": network, "profile": profile, "nodes": 12, "crashes": 2}
    return measure(scenario(point), point, seed)


@pytest.mark.parametrize("network", WITHIN_S)
def test_nobody_is_held_down_wrongly_and_a_crash_is_known_in_time(network: str) -> None:
    own, usual = [run(network, network, seed) for seed in (1, 2)], run(network, "lan", 1)
    assert [one.figures["false_downs"] + one.figures["missed"] for one in own] == [0.0, 0.0]
    seen = [value for one in own for value in one.samples["full_s"]]
    assert quantile(seen, 0.5) <= WITHIN_S[network]
    if network == "wan":  # Where answers take 300 ms, `lan` suspects without end.
        assert 5 * own[0].figures["suspicions"] < usual.figures["suspicions"]
    else:
        assert 1.5 * quantile(seen, 0.5) < quantile(usual.samples["full_s"], 0.5)


def test_the_bars_are_what_the_page_says() -> None:
    page = PAGE.read_text("utf-8")
    assert all(f"within {seconds:g} s" in page for seconds in WITHIN_S.values())
    row: tuple[Point, dict[str, list[float]]] = ({"network": "wan", "profile": "wan"}, {"false_downs": [0, 1]})
    reached = bars(find(results(row, samples=[9.0])))
    assert (reached["wrong verdicts of `wan`"], reached["full detection of `wan`, median"]) == (False, True)
