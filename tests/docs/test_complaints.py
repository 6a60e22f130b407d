"""What the page of complaints points at is there.

Invariant: every test, scenario and experiment that it names exists.
"""

import re
from pathlib import Path

import pytest

from sim.experiments.catalogue import NAMES
from sim.library import packaged

TESTS = Path(__file__).resolve().parents[1]
PAGE = (TESTS.parent / "docs" / "complaints.md").read_text("utf-8")
DEFINED = [name for path in TESTS.rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))]


@pytest.mark.parametrize("asked", re.findall(r"`-k ([^`]+)`", PAGE))
def test_a_part_of_a_name_is_of_some_test(asked: str) -> None:
    for part in asked.strip('"').split(" or "):
        assert any(part in name for name in DEFINED), part


def test_scenarios_and_experiments_go_by_these_names() -> None:
    runs, experiments = (re.findall(rf"`mesh-sim {verb} ([a-z0-9-]+)`", PAGE) for verb in ("run", "experiment"))
    assert len(runs) > 10
    assert set(runs) <= set(packaged())
    assert len(experiments) > 5
    assert set(experiments) <= set(NAMES)
