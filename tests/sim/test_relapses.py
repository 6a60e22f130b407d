"""Machines that go back in time come back into the mesh, and nothing acknowledged is lost."""

import pytest

from mesh.crdt.keys import ERA
from mesh.crdt.replica import Table
from sim.run import run
from tests.sim.mesh import Listening, scenario


def test_a_disk_goes_back_to_what_it_held() -> None:
    fault = {"kind": "rollback", "at_s": 12, "nodes": [1], "after_s": 8, "down_s": 2}
    listening = Listening(scenario(faults=[fault], workload={"writes_per_s": 5}))
    listening.world.run(12)
    rows = list(listening.nodes[1].disk.replica.scan(Table.BATCHES))
    listening.world.run(19.9)
    assert len(list(listening.nodes[1].disk.replica.scan(Table.BATCHES))) > len(rows)
    listening.world.run(21.9)
    assert list(listening.nodes[1].disk.replica.scan(Table.BATCHES)) == rows
    assert (listening.nodes[1].up, listening.nodes[1].life) == (False, 1)
    listening.world.run(40)
    assert listening.nodes[1].life == 2


@pytest.mark.parametrize("seed", range(1, 4))
def test_a_machine_that_wrote_and_went_back_opens_a_new_era(seed: int) -> None:
    fault = {"kind": "rollback", "at_s": 12, "nodes": [1], "after_s": 8}
    made = scenario(seconds=60, faults=[fault], workload={"writes_per_s": 5, "settle_s": 20})
    listening = Listening(made, seed)
    listening.world.run(19)
    before = listening.nodes[1].disk.replica.get(Table.META, ERA)
    listening.world.run(60)
    assert listening.nodes[1].disk.replica.get(Table.META, ERA) != before
    report = run(made, seed)
    assert report.passed, report.failures


@pytest.mark.parametrize("seed", range(1, 4))
def test_the_original_goes_on_beside_a_copy_of_its_disk_and_nothing_it_acknowledged_is_lost(seed: int) -> None:
    fault = {"kind": "copied-disk", "at_s": 12, "nodes": [1], "lasts_s": 40}
    made = scenario(seconds=70, faults=[fault], workload={"writes_per_s": 5})
    listening = Listening(made, seed)
    listening.world.run(50)
    peer = listening.nodes[1].peer
    assert peer is not None
    assert peer.roster.lives.displaced_by is None
    assert peer.roster.lives.copy is not None
    assert peer.roster.lives.copy.address.host.startswith("n0001-copy")
    assert all("n0001" in listening.alive_at(each) for each in listening.nodes)
    report = run(made, seed)
    assert report.passed, report.failures
    assert report.metrics.writes.submitted == report.metrics.writes.acknowledged + report.metrics.writes.unanswered


def test_a_copied_disk_is_told_and_the_mesh_is_whole_when_it_is_gone() -> None:
    fault = {"kind": "copied-disk", "at_s": 12, "nodes": [1], "lasts_s": 20}
    made = scenario(seconds=80, faults=[fault], workload={"settle_s": 20})
    listening = Listening(made)
    listening.world.run(31)
    assert listening.count("member.copied") > 0
    assert listening.nodes[1].peer is not None
    lives = listening.nodes[1].peer.roster.lives
    assert (lives.displaced_by is None) == (lives.copy is not None)  # One of the two stands back, and the other knows.
    report = run(made, 1)
    assert report.passed, report.failures


@pytest.mark.parametrize("by_s", [-3600.0, -5.0, 5.0, 3600.0])
def test_a_clock_that_was_set_loses_nothing(by_s: float) -> None:
    fault = {"kind": "clock-jump", "at_s": 12, "count": 2, "by_s": by_s}
    made = scenario(seconds=60, clock={"epoch_s": 1e6, "drift_ppm_max": 500}, faults=[fault], workload={"settle_s": 20})
    listening = Listening(made)
    listening.world.run(11)
    before = [node.clock.local(listening.world.now) for node in listening.nodes]
    listening.world.run(14)
    moved = [
        round(node.clock.local(listening.world.now) - then - 3)
        for node, then in zip(listening.nodes, before, strict=True)
    ]
    assert sorted(moved) == sorted([0, 0, by_s, by_s])
    report = run(made, 1)
    assert report.passed, report.failures


def test_a_process_does_not_see_that_its_wall_clock_was_set_before_it_starts_again() -> None:
    fault = {"kind": "clock-jump", "at_s": 12, "count": 4, "by_s": 100.0, "restart": False}
    listening = Listening(scenario(faults=[fault]))
    listening.world.run(15)
    node = listening.nodes[0]
    assert node.clock.local(15.0) < 16.0
    node.crash(silent=True, lost_disk=False)
    node.start()
    assert node.clock.local(15.0) > 114.0
