"""A strategy of one's own runs in the real peer, and what it costs is seen.

Invariant: the mesh is the example's own, with fewer nodes.
"""

import pytest

from sim.examples.own_protocol import batches_per_write, compare
from sim.report import Report

NODES = 8


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    return compare(nodes=NODES)


def test_every_strategy_keeps_every_promise(reports: dict[str, Report]) -> None:
    assert {name: report.failures for name, report in reports.items() if not report.passed} == {}


def test_flooding_sends_far_more_than_random_push(reports: dict[str, Report]) -> None:
    assert batches_per_write(reports["flooding"]) > (NODES - 1) * (NODES - 2) * 0.8
    assert batches_per_write(reports["random push"]) < batches_per_write(reports["flooding"]) / 1.5


def test_a_strategy_changes_the_run_and_nothing_else_of_it(reports: dict[str, Report]) -> None:
    assert len({report.trace_hash for report in reports.values()}) == 3
    assert len({report.setting for report in reports.values()}) == 1
