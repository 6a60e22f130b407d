"""A mesh in one's hands lives as a run does, until a hand is laid on it; and it says when one was.

Invariant: the same small scenario everywhere.
"""

import pytest

from mesh.errors import UsageError
from sim.breakage import Crash
from sim.laboratory import Mesh
from sim.reproduce import reproduce
from sim.run import run
from tests.sim.mesh import scenario

SMALL = scenario(nodes=3, seconds=18, workload={"settle_s": 6})


def test_without_a_hand_on_it_it_is_the_run_of_its_seed() -> None:
    mesh = Mesh(SMALL, 4)
    mesh.run_for(5)
    while mesh.now < 7:
        assert mesh.step()
    assert mesh.finish().trace_hash == run(SMALL, 4).trace_hash


def test_a_report_of_a_mesh_that_was_steered_is_not_made_again() -> None:
    mesh = Mesh(SMALL, 4, traced=False)
    mesh.run_for(5)
    mesh.strike(Crash(at_s=0.0, nodes=(2,), restart_after_s=1.0))
    report = mesh.finish()
    assert report.by_hand
    with pytest.raises(UsageError, match="steered by hand"):
        reproduce(report)


def test_what_is_written_by_hand_is_read_everywhere() -> None:
    mesh = Mesh(SMALL, 4, traced=False)
    mesh.run_for(5)
    assert mesh.read(0, "A") is None
    mesh.write(1, "A", "b")
    mesh.write(1, "A", "b")  # The same again changes nothing, and is no broken promise.
    took = mesh.run_until(lambda: mesh.read(0, "A") == {"value": "b"}, at_most_s=5)
    assert 0.0 < took <= 5.0


def test_a_cut_and_a_crash_are_seen_and_mended() -> None:
    mesh = Mesh(SMALL, 4, traced=False)
    mesh.run_for(5)
    mesh.cut([0, 1], [2])
    mesh.run_until(lambda: len(mesh.peer(0).roster.others()) == 1, at_most_s=60)
    mesh.heal()
    mesh.run_until(lambda: len(mesh.peer(0).roster.others()) == 2, at_most_s=60)
    mesh.crash(1)
    with pytest.raises(UsageError, match="node 1 is off"):
        mesh.peer(1)
    mesh.start(1)
    assert list(mesh.peer(1).roster.others()) == []


def test_waiting_ends() -> None:
    mesh = Mesh(SMALL, 4, traced=False)
    with pytest.raises(UsageError, match="did not happen within 1 s"):
        mesh.run_until(lambda: False, at_most_s=1)


def test_a_scenario_goes_by_its_name_and_a_trace_must_be_asked_for() -> None:
    mesh = Mesh("steady", changes=["nodes=2"], traced=False)
    assert (mesh.scenario.nodes, len(mesh.nodes)) == (2, 2)
    with pytest.raises(UsageError, match="without a trace"):
        mesh.events()
