"""SWIM as a setting of the mesh's own core behaves as the paper says where that is certain.

Invariant: groups are small, and what is asserted holds for every seed.
"""

import pytest

from mesh.config import GossipConfig
from sim.experiments.swim import ROUNDS, measure, scenario


def test_a_healthy_group_sends_two_messages_per_member_and_period() -> None:
    point = {"part": "detection", "nodes": 6, "crashes": 1}
    found = measure(scenario(point), point, 3).figures
    assert found["load"] == pytest.approx(2.0, abs=0.05)
    assert 1.0 <= found["detection_periods"] <= 2 * 6 - 1  # Round-robin: SWIM §4.3.
    assert found["suspected_periods"] > 1.0


def test_who_is_declared_failed_is_gone_without_suspicion_and_nobody_is_with_it() -> None:
    left = {}
    for variant in ("basic", "infection", "suspicion"):
        point = {"part": "sizes", "variant": variant, "until_s": 40.0, "loss": 0.1}
        left[variant] = measure(scenario(point), point, 1).figures["group"]
    assert max(left["basic"], left["infection"]) < left["suspicion"]


def test_the_variants_differ_from_plain_swim_in_what_the_paper_says() -> None:
    made = scenario({"part": "sizes", "variant": "suspicion", "until_s": 40.0, "loss": 0.1}).gossip
    assert isinstance(made, GossipConfig)
    assert (made.probe_interval_s, made.indirect_probes, made.suspicion_floor) == (2.0, 1, ROUNDS)
    assert not made.buddy
    assert not made.nacks
