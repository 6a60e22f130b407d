"""The anomalies are the paper's, and the bars compare the same runs.

Invariant: results are made up; test_catalogue.py runs the real thing.
"""

from sim.breakage import Slow
from sim.experiments.lifeguard import CONFIGURATIONS, MEMBERLIST, find, points, scenario
from sim.experiments.plan import Point
from tests.sim.experiments.made_up import bars, results


def test_there_are_24_anomalies_in_every_configuration() -> None:
    plan = points(quick=False)
    anomalies = {point["anomaly"] for point in plan} - {"crash"}
    assert len(anomalies) == 24
    assert anomalies > set(MEMBERLIST)
    assert len(plan) == (3 * 24 + 1) * len(CONFIGURATIONS)


def test_an_anomaly_is_what_its_name_says() -> None:
    point: Point = {
        "anomaly": "C16-D2048-I256",
        "mode": "freeze",
        "configuration": "buddy",
        "nodes": 128,
        "lasts_s": 120.0,
    }
    made = scenario(point)
    (slow,) = made.faults
    assert isinstance(slow, Slow)
    assert (slow.count, slow.mode, slow.lasts_s) == (16, "freeze", 120.0)
    assert (made.gossip.buddy, made.gossip.nacks, made.gossip.health_max) == (True, False, 0)


def test_the_bars_are_on_the_sums_over_all_anomalies() -> None:
    def reached(mesh: float, lifeguard4: float, healthy: float) -> list[bool]:
        rows = []
        for configuration, fp, own in (("swim", 1000, 9), ("mesh", mesh, healthy), ("lifeguard4", lifeguard4, 9)):
            point: Point = {"anomaly": "C4-D16384-I64", "mode": "gate", "configuration": configuration}
            rows.append((point, {"fp": [fp, fp], "fp_healthy": [own, own]}))
        return list(bars(find(results(*rows))).values())

    assert reached(15, 20, 0) == [True, True, True]
    assert reached(16, 15, 1) == [False, False, False]


def test_runs_that_only_one_configuration_has_are_not_compared() -> None:
    rows = []
    for configuration, fp in (("swim", [100, 900]), ("mesh", [1]), ("lifeguard4", [2, 0])):
        point: Point = {"anomaly": "C4-D16384-I64", "mode": "gate", "configuration": configuration}
        rows.append((point, {"fp": fp, "fp_healthy": [0] * len(fp)}))
    found = {one.what: one.value for one in find(results(*rows))}
    assert found["gate: false positives of the mesh against SWIM in the same runs"] == 0.01
