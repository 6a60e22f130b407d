"""A run is a function of scenario and seed, and keeps the mesh's promises.

Invariant: every run here is small; the large ones are the packaged scenarios'.
"""

import io
import os
import subprocess
import sys

import pytest

from mesh.crdt.keys import ERA
from mesh.crdt.replica import Table
from sim.checks import differences
from sim.run import run
from tests.sim.mesh import Listening, scenario

HASHED = """
from sim.library import load
from sim.run import run
print(run(load("smoke", ("workload.settle_s=10",)), 5, 5, 120).trace_hash)
"""


def hash_of_a_process(hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", HASHED]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout


def test_one_seed_gives_one_trace_in_any_process_and_under_any_hash_seed() -> None:
    first, second = hash_of_a_process("1"), hash_of_a_process("4242")
    assert first == second
    assert len(first.strip()) == 32


def test_another_seed_gives_another_trace() -> None:
    assert run(scenario(), 1).trace_hash != run(scenario(), 2).trace_hash


def test_the_trace_is_what_is_hashed() -> None:
    file = io.StringIO()
    report = run(scenario(), 1, trace_to=file)
    assert report.trace_hash == run(scenario(), 1).trace_hash
    lines = file.getvalue().splitlines()
    assert len(lines) == report.trace_lines
    assert any(" < Received" in line or " > " in line for line in lines)


def test_a_quiet_mesh_converges_and_nobody_is_suspected() -> None:
    report = run(scenario(network={"loss": 0}), 1)
    assert report.passed
    assert report.metrics.false_downs == report.metrics.events.get("member.suspect", 0) == 0
    assert report.metrics.writes.acknowledged == report.metrics.writes.submitted > 10
    assert report.metrics.propagation.last_peer_s is not None
    assert (report.nodes, report.sim_s) == (4, 40.0)


def test_a_partition_heals_and_both_halves_kept_writing() -> None:
    cut = {"kind": "partition", "at_s": 8, "shares": [0.5, 0.5], "heal_after_s": 40}
    listening = Listening(scenario(seconds=90, faults=[cut]))
    listening.world.run(45)
    apart = [len(listening.alive_at(node)) for node in listening.nodes]
    assert apart == [2, 2, 2, 2]
    assert differences(listening.nodes)
    listening.world.run(90)
    assert differences(listening.nodes) == []
    report = run(listening.mesh.scenario, 1)
    assert report.passed
    assert report.metrics.writes.acknowledged == report.metrics.writes.submitted


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_power_cut_loses_nothing_acknowledged(seed: int) -> None:
    crashes = [{"kind": "crash", "at_s": at, "within_s": 1, "restart_after_s": 2} for at in range(6, 22, 3)]
    work = {"writes_per_s": 50.0, "settle_s": 10}
    report = run(scenario(seconds=35, disk={"store_jitter_s": 0.1}, workload=work, faults=crashes), seed)
    assert report.passed, report.failures
    assert report.metrics.writes.unreplicated == report.metrics.writes.stranded == 0
    assert report.metrics.writes.unanswered > 0  # Otherwise no power cut hit a write under way, and nothing was shown.


def test_a_lost_disk_opens_a_new_era_and_its_node_comes_back() -> None:
    lost = {"kind": "crash", "at_s": 12, "lost_disk": True, "restart_after_s": 3}
    listening = Listening(scenario(faults=[lost]))
    listening.world.run(11)
    before = [node.disk.replica.get(Table.META, ERA) for node in listening.nodes]
    listening.world.run(40)
    after = [node.disk.replica.get(Table.META, ERA) for node in listening.nodes]
    [hit] = [node for node in listening.nodes if node.life == 2]
    changed = [node for node, was, now in zip(listening.nodes, before, after, strict=True) if was not in (None, now)]
    assert changed == [hit]
    assert listening.count("member.outranked") == 1
    assert differences(listening.nodes) == []


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_board_that_its_owners_disk_forgot_does_not_keep_two_nodes_apart(seed: int) -> None:
    """The other one restarts meanwhile, so that no roster knows the forgotten boot: only its board does. Seed 1 failed."""
    lost = {"kind": "crash", "at_s": 6, "restart_after_s": 10, "lost_disk": True}
    quiet = {"writes_per_s": 0.0, "publish_interval_s": 5.0, "settle_s": 1.0}
    made = scenario(
        nodes=2, seconds=17, workload=quiet, faults=[lost, {"kind": "mass-restart", "at_s": 6.9, "spread_s": 3}]
    )
    report = run(made, seed)
    assert report.passed, report.failures


def test_a_mass_restart_ends_with_no_wrong_entry() -> None:
    report = run(scenario(seconds=60, faults=[{"kind": "mass-restart", "at_s": 15, "spread_s": 1}]), 1)
    assert report.passed, report.failures


def test_a_lying_disk_is_caught() -> None:
    report = run(scenario(faults=[{"kind": "lying-disk", "at_s": 10}]), 1)
    assert not report.passed
    assert report.failures


def test_a_mesh_that_stays_cut_does_not_pass() -> None:
    report = run(scenario(checks={"grace_s": 2}, faults=[{"kind": "partition", "at_s": 10}]), 1)
    assert not report.converged
    assert any("digests differ" in failure for failure in report.failures)
    assert any("does not hold alive what is" in failure for failure in report.failures)
