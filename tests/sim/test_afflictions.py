"""What befalls machines for a while begins, ends, and is over."""

import pytest

from sim.experiments.worlds import quiet
from sim.losses import chance_of
from sim.node import Node
from sim.run import run
from tests.sim.mesh import Listening, scenario


def struck(**fault: object) -> Listening:
    return Listening(scenario(seconds=100, faults=[{"at_s": 10, **fault}]))


def test_a_flip_flop_is_on_and_off_in_turn() -> None:
    listening = struck(kind="loss", nodes=[1], direction="in", lasts_s=50, on_s=20, off_s=10)
    rules, seen = listening.mesh.network.rules, []
    for moment in (9, 11, 29, 31, 39, 41, 59, 61):
        listening.world.run(moment)
        seen.append(chance_of(rules.datagrams, 0, 1))
    assert seen == [0, 1, 1, 0, 0, 1, 1, 0]
    assert chance_of(rules.datagrams, 1, 0) == 0


def test_a_block_shuts_and_opens_in_turn_and_ends() -> None:
    law = {"law": "constant", "value_s": 4}
    listening = struck(kind="slow", nodes=[2], blocked=law, running={"law": "constant", "value_s": 2}, lasts_s=15)
    seen = []
    for moment in (9.9, 10.1, 13.9, 14.1, 16.1, 20.1, 22.1, 25.1):
        listening.world.run(moment)
        seen.append(listening.nodes[2].hindered)
    assert seen == [False, True, True, False, True, False, True, False]


def test_a_disk_is_full_or_slow_for_its_time() -> None:
    listening = struck(kind="full-disk", nodes=[0], lasts_s=5)
    seen = []
    for moment in (9, 11, 16):
        listening.world.run(moment)
        seen.append(listening.nodes[0].disk.full)
    assert seen == [False, True, False]
    slow = struck(kind="slow-disk", nodes=[0], lasts_s=5, commit={"law": "constant", "value_s": 1})
    slow.world.run(11)
    assert slow.nodes[0].disk.commit is not None
    slow.world.run(16)
    assert slow.nodes[0].disk.commit is None


def test_a_machine_gets_its_processor_back() -> None:
    listening = struck(kind="throttle", nodes=[3], cpu_share=0.01, lasts_s=5)
    listening.world.run(12)
    assert listening.nodes[3].hindered
    listening.world.run(16)
    assert not listening.nodes[3].hindered


BLOCKS = {"blocked": {"law": "constant", "value_s": 30}, "lasts_s": 30}


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "loss", "direction": "in", "lasts_s": 30},
        {"kind": "loss", "direction": "out", "lasts_s": 30},
        {"kind": "loss", "plane": "streams", "lasts_s": 30},
        {"kind": "loss", "plane": "datagrams", "lasts_s": 30},
        {"kind": "slow", **BLOCKS},
        {"kind": "slow", "mode": "freeze", **BLOCKS},
        {"kind": "slow", "mode": "block", **BLOCKS},
        {"kind": "throttle", "cpu_share": 0.005, "lasts_s": 30},
        {"kind": "full-disk", "lasts_s": 20},
        {"kind": "reset-streams", "count": 4},
    ],
    ids=lambda fault: f"{fault['kind']}-{fault.get('direction', fault.get('plane', fault.get('mode', '')))}",
)
def test_the_mesh_is_whole_again_afterwards(fault: dict[str, object]) -> None:
    report = run(scenario(seconds=80, workload={"settle_s": 20}, faults=[{"at_s": 10, **fault}]), 1)
    assert report.passed, report.failures


def test_a_verdict_about_the_afflicted_is_nobodys_mistake() -> None:
    faults = [{"kind": "slow", "mode": "freeze", "at_s": 10, "nodes": [1], **BLOCKS}]
    report = run(scenario(seconds=70, faults=faults), 1)
    assert report.metrics.afflicted_downs == 3
    assert report.metrics.false_downs == report.metrics.false_downs_at_healthy == 0


def test_blocked_members_of_plain_swim_hold_down_whom_they_could_not_ask_and_of_the_mesh_nobody() -> None:
    """A probe fails as soon as its ping may leave; the suspicion runs out in the next standstill (Lifeguard §5.1)."""
    law = {"blocked": {"law": "constant", "value_s": 12}, "running": {"law": "constant", "value_s": 0.01}}
    fault = {"kind": "slow", "mode": "block", "at_s": 10, "count": 4, "lasts_s": 60, **law}
    swim, mesh = (
        run(quiet("Four are blocked", 16, 85.0, gossip={"profile": profile}, faults=[fault]), 1).metrics
        for profile in ("swim", "lan")
    )
    assert swim.false_downs > 0 == swim.false_downs_at_healthy
    assert mesh.false_downs == 0


DEAF = {"kind": "loss", "at_s": 30, "nodes": [1], "direction": "in", "lasts_s": 25}


def test_a_healthy_member_that_is_held_down_by_an_afflicted_one_counts_there() -> None:
    """Plain SWIM's member believes its own ears."""
    report = run(scenario(seconds=90, faults=[DEAF], gossip={"profile": "swim"}), 1)
    assert report.metrics.false_downs > 0


def test_a_deaf_member_of_the_mesh_holds_nobody_down() -> None:
    report = run(scenario(seconds=90, faults=[DEAF]), 1)
    assert report.metrics.false_downs == 0


def test_a_machine_is_in_one_standstill_at_a_time() -> None:
    law = {"law": "constant", "value_s": 4}
    faults = [{"kind": "slow", "nodes": [1], "at_s": at_s, "blocked": law, "lasts_s": 4} for at_s in (10, 12)]
    listening = Listening(scenario(faults=faults))
    listening.world.run(13)
    node: Node = listening.nodes[1]
    assert node.hindered
    listening.world.run(14.1)
    assert not node.hindered
