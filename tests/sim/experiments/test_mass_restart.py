"""Wrong entries are counted both ways: the living held dead, and the dead held alive.

Invariant: the mesh is real where entries are counted.
"""

from sim.experiments.mass_restart import SEEDS, find, points, seeds_of, wrong_entries
from sim.experiments.worlds import quiet
from sim.run import SimulatedMesh
from tests.sim.experiments.made_up import bars, results


def test_a_machine_that_just_stopped_is_a_wrong_entry_at_each_other_one() -> None:
    mesh = SimulatedMesh(quiet("three", 3, 20.0), 1)
    mesh.world.run(15.0)
    assert wrong_entries(mesh.nodes) == 0
    mesh.nodes[1].crash(silent=True, lost_disk=False)
    assert wrong_entries(mesh.nodes) == 2
    mesh.nodes[1].start()  # It knows the others from its book, but not that they are there.
    assert wrong_entries(mesh.nodes) >= 1


def test_the_bar_asks_for_a_thousand_seeds_and_forgives_none() -> None:
    assert [seeds_of(point) for point in points(quick=False)] == list(SEEDS.values()) == [1000, 50]
    made = results(({"nodes": 32}, {"wrong": [0, 0, 1], "right_s": [1, 1, 30]}))
    assert list(bars(find(made)).values()) == [False]
