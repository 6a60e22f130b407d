"""Machines come and go as laws and files say, and all are back at the end.

Invariant: counts are compared with renewal theory on a fixed seed, within four standard deviations.
"""

from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import variance

import pytest

from mesh.errors import UsageError
from sim.churn import read_changes
from sim.laws import Weibull, draws
from sim.run import run
from tests.sim.mesh import Listening, scenario

QUIET = {"writes_per_s": 0, "publish_interval_s": 1000}
SELDOM = {"every": 100}
CHURN = {
    "kind": "churn",
    "at_s": 10,
    "count": 7,
    "sessions": {"law": "exponential", "mean_s": 6},
    "absences": {"law": "exponential", "mean_s": 3},
}


def test_nodes_are_up_for_the_share_of_time_that_their_laws_say() -> None:
    churn = {**CHURN, "lasts_s": 600}
    listening = Listening(scenario(nodes=8, seconds=700, workload=QUIET, checks=SELDOM, faults=[churn]))
    up = []
    for moment in range(40, 600, 8):
        listening.world.run(moment)
        up.append(sum(node.up for node in listening.nodes))
    assert min(up) >= 1
    assert abs(sum(up) / len(up) - (1 + 7 * 6 / 9)) <= 4 * (7 * 2 / 9 / len(up)) ** 0.5
    listening.world.run(611)
    assert all(node.up for node in listening.nodes)
    lives = sum(node.life - 1 for node in listening.nodes)
    assert abs(lives - 7 * 600 / 9) <= 4 * (7 * 600 / 9) ** 0.5


def test_arrivals_are_a_poisson_process() -> None:
    """With a rate far below what sessions allow, comebacks are as many as arrive, and as unevenly: their variance is their mean."""
    churn = {**CHURN, "absences": None, "arrivals_per_s": 0.2, "lasts_s": 600}
    listening = Listening(scenario(nodes=8, seconds=700, workload=QUIET, checks=SELDOM, faults=[churn]))
    counts = [0]
    for moment in range(19, 610, 10):
        listening.world.run(moment)
        counts.append(sum(node.life - 1 for node in listening.nodes))
    comebacks = counts[-1]
    assert variance(after - before for before, after in pairwise(counts)) > 0.5 * 0.2 * 10
    assert abs(comebacks - 0.2 * 600) <= 4 * (0.2 * 600) ** 0.5


def test_weibull_sessions_with_a_small_shape_are_mostly_short() -> None:
    draw = draws(Weibull(scale_s=60.0, shape=0.5), Random(1))
    sessions = sorted(draw() for _ in range(10_000))
    assert sessions[5_000] == pytest.approx(60.0 * 0.480, rel=0.06)
    assert sum(sessions) / 10_000 == pytest.approx(120.0, rel=0.06)


def test_a_mesh_with_churn_keeps_its_promises() -> None:
    faults = [{**CHURN, "count": 2, "lasts_s": 40, "lost_disk": True, "silent": False}]
    report = run(scenario(seconds=80, workload={"settle_s": 20}, faults=faults), 1)
    assert report.passed, report.failures


def test_a_rolling_restart_restarts_each_once_and_never_all() -> None:
    roll = {"kind": "rolling-restart", "at_s": 10, "batch": 2, "down_s": 1, "pause_s": 3}
    listening = Listening(scenario(nodes=5, faults=[roll]))
    seen = []
    for moment in (10.5, 13.5, 16.5):
        listening.world.run(moment)
        seen.append([node.index for node in listening.nodes if not node.up])
    assert seen == [[0, 1], [2, 3], [4]]
    listening.world.run(18)
    assert [node.life for node in listening.nodes] == [2] * 5


def test_a_trace_is_replayed_and_all_are_back_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "churn.csv"
    path.write_text("# time,node,change\n1,2,down\n2,3,down\n4,2,up\n", "utf-8")
    listening = Listening(scenario(faults=[{"kind": "churn-trace", "at_s": 10, "file": str(path), "lasts_s": 10}]))
    seen = []
    for moment in (10.5, 11.5, 12.5, 14.5, 20.5):
        listening.world.run(moment)
        seen.append([node.index for node in listening.nodes if not node.up])
    assert seen == [[], [2], [2, 3], [3], []]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1,2", "line 1: `time,node,up` or `time,node,down` was expected"),
        ("1,2,off", "line 1: `time,node,up`"),
        ("1,9,up", "line 1: node 9 at 1 s is not in a run of 4 nodes and 10 s"),
        ("11,1,up", "node 1 at 11 s is not in a run"),
    ],
)
def test_a_trace_that_cannot_be_is_named_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "churn.csv"
    path.write_text(line, "utf-8")
    with pytest.raises(UsageError, match=said):
        read_changes(str(path), 4, 10.0)
