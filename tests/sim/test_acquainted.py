"""A mesh in which all know each other from the beginning is one that has found itself, and goes on like any other."""

from sim.run import SimulatedMesh, run
from tests.sim.mesh import scenario

KNOWN = {"known": True}


def test_all_hold_all_alive_before_anything_was_said() -> None:
    mesh = SimulatedMesh(scenario(start=KNOWN, nodes=12), 1)
    mesh.world.run(0.0)
    peers = [node.peer for node in mesh.nodes if node.peer is not None]
    assert [len(peer.roster.others()) for peer in peers] == [11] * 12
    assert len({peer.roster.digest for peer in peers}) == 1
    assert mesh.metrics.events == {}


def test_it_keeps_all_promises_through_a_crash_and_a_restart_and_a_mass_restart() -> None:
    crash = {"kind": "crash", "at_s": 6.0, "restart_after_s": 20.0}
    made = scenario(start=KNOWN, nodes=6, seconds=90.0, faults=[crash, {"kind": "mass-restart", "at_s": 45.0}])
    report = run(made, 1)
    assert report.failures == ()
    assert report.converged
    assert report.metrics.false_downs == 0
    assert report.trace_hash == run(made, 1).trace_hash


def test_who_crashes_is_missed_by_all_and_found_again() -> None:
    crash = {"kind": "crash", "at_s": 6.0, "restart_after_s": 20.0, "lost_disk": True}
    report = run(scenario(start=KNOWN, nodes=12, seconds=60.0, faults=[crash]), 3)
    assert report.failures == ()
    assert report.metrics.events["member.down"] == 11
