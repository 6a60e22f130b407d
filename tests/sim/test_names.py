"""The name of the seeds leads where it is pointed; two meshes that formed behind it meet."""

import pytest

from mesh.ids import Address
from sim.names import SEEDS, Names
from sim.network import PORT
from sim.run import run
from tests.sim.mesh import Listening, scenario

APART = {
    "nodes": 6,
    "start": {"named": True, "seeds": 1},
    "seconds": 390.0,
    "workload": {"writes_per_s": 0.5, "settle_s": 300.0, "publish_interval_s": 60.0},
    "checks": {"every": 50, "grace_s": 300.0, "dead_s": 700.0},
    "faults": [
        {"kind": "rename", "at_s": 0, "nodes": []},
        {"kind": "loss", "at_s": 5, "nodes": [0, 1, 2], "towards": [3, 4, 5], "lasts_s": 55},
        {"kind": "rename", "at_s": 6, "nodes": [0]},
        {"kind": "rename", "at_s": 20, "nodes": [3]},
    ],
}


def test_a_name_leads_where_it_is_pointed_and_an_address_to_itself() -> None:
    names, seeds = Names(["n0000"]), Address(SEEDS, PORT)
    assert names.behind(seeds) == (Address("n0000", PORT),)
    names.point(["n0001", "n0002"])
    assert names.behind(seeds) == (Address("n0001", PORT), Address("n0002", PORT))
    names.point([])
    assert names.behind(seeds) == ()
    assert names.behind(Address("n0007", PORT)) == (Address("n0007", PORT),)
    names.point(["n0001"])
    names.move("n0001", "elsewhere")
    assert names.behind(seeds) == names.behind(Address("n0001", PORT)) == (Address("elsewhere", PORT),)


@pytest.mark.parametrize("seed", [1, 2])
def test_two_meshes_that_formed_behind_one_name_meet_though_nobody_is_missed(seed: int) -> None:
    report = run(scenario(**APART), seed)
    assert report.failures == ()
    assert report.settled_s is not None
    assert report.settled_s <= 300


def test_they_are_two_meshes_until_the_name_is_looked_up_again() -> None:
    listening = Listening(scenario(**APART))
    listening.world.run(60)
    seen = [listening.alive_at(node) for node in listening.nodes]
    assert seen == [["n0000", "n0001", "n0002"]] * 3 + [["n0003", "n0004", "n0005"]] * 3


def test_a_mesh_behind_several_addresses_meets_at_once() -> None:
    listening = Listening(scenario(start={"named": True, "seeds": 4}))
    listening.world.run(12)
    assert [len(listening.alive_at(node)) for node in listening.nodes] == [4] * 4
