"""Every fault says when it is over."""

import pytest

from sim.breakage import Fault, end_of
from tests.sim.mesh import scenario

LAW = {"law": "constant", "value_s": 1}


def fault(**raw: object) -> Fault:
    [made] = scenario(nodes=10, seconds=10_000, faults=[{"at_s": 100, **raw}]).faults
    return made


@pytest.mark.parametrize(
    ("raw", "end_s"),
    [
        ({"kind": "crash", "within_s": 5, "restart_after_s": 20}, 125),
        ({"kind": "crash"}, 100),
        ({"kind": "bit-rot", "restart_after_s": 3}, 103),
        ({"kind": "partition", "heal_after_s": 60}, 160),
        ({"kind": "mass-restart", "down_s": 5, "spread_s": 2}, 107),
        ({"kind": "rolling-restart", "batch": 3, "down_s": 2, "pause_s": 4}, 118),
        ({"kind": "rollback", "after_s": 20, "down_s": 2}, 122),
        ({"kind": "loss", "lasts_s": 60}, 160),
        ({"kind": "slow", "blocked": LAW, "lasts_s": 60, "stagger_s": 5}, 165),
        ({"kind": "churn", "sessions": LAW, "lasts_s": 60}, 160),
        ({"kind": "copied-disk", "lasts_s": 30}, 131),
        ({"kind": "clock-jump", "by_s": 5}, 101),
        ({"kind": "reset-streams"}, 100),
    ],
    ids=lambda raw: raw["kind"] if isinstance(raw, dict) else "",
)
def test_the_end_is_the_latest_that_it_says_itself(raw: dict[str, object], end_s: float) -> None:
    assert end_of(fault(**raw), 10) == end_s
