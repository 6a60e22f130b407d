"""Faults hit whom they say, when they say."""

import pytest

from mesh.crdt.fingerprint import read_fingerprint
from mesh.crdt.verify import verify_replica
from sim.breakage import Crash, Heal, LyingDisk, Partition, Restart
from sim.checks import deep_differences, differences
from sim.laboratory import Mesh
from sim.node import MESH
from sim.trust import CheapTrust
from tests.sim.mesh import Listening, scenario


def test_a_crash_hits_its_count_and_restarts_in_time() -> None:
    listening = Listening(scenario(faults=[{"kind": "crash", "at_s": 10, "count": 3, "restart_after_s": 5}]))
    ups = []
    for moment in (9.9, 10.1, 14.9, 15.1):
        listening.world.run(moment)
        ups.append(sum(node.up for node in listening.nodes))
    assert ups == [4, 1, 1, 4]


def test_who_comes_back_at_another_address_is_found_there_and_nobody_is_at_the_one_before() -> None:
    moves = [{"kind": "crash", "at_s": at_s, "nodes": [0, 3], "restart_after_s": 5, "moved": True} for at_s in (15, 35)]
    listening = Listening(scenario(nodes=5, seconds=60, start={"seeds": 1}, faults=moves))
    places = [node.address for node in listening.nodes]
    for moment, number in ((30, 1), (50, 2)):
        listening.world.run(moment)
        seed, _, _, moved, _ = listening.nodes
        assert (seed.address.host, moved.address.host) == (f"n0000-at-{number}", f"n0003-at-{number}")
        for node in listening.nodes:
            assert node.peer is not None
            assert {node.peer.roster.address(other.node) for other in (seed, moved) if other is not node} == {
                other.address for other in (seed, moved) if other is not node
            }
        assert listening.mesh.network.find(places[0]) is seed
        assert listening.mesh.network.find(places[3]) is None
        places[3] = moved.address


def test_restart_starts_everything_that_is_down() -> None:
    listening = Listening(scenario(faults=[{"kind": "restart", "at_s": 20, "spread_s": 2}]))
    listening.world.run(15)
    for node in listening.nodes[1:]:
        node.crash(silent=False, lost_disk=False)
    listening.world.run(22.1)
    assert [node.life for node in listening.nodes] == [1, 2, 2, 2]


def test_a_machine_that_somebody_else_restarted_is_not_restarted_again() -> None:
    crash = {"kind": "crash", "at_s": 10, "restart_after_s": 8}
    listening = Listening(scenario(faults=[crash, {"kind": "restart", "at_s": 12}]))
    listening.world.run(30)
    assert sorted(node.life for node in listening.nodes) == [1, 1, 1, 2]


def test_streams_that_are_reset_break_at_both_ends_and_open_again() -> None:
    mesh = Mesh(scenario(faults=[{"kind": "reset-streams", "at_s": 15, "nodes": [0]}]))
    mesh.run_for(30)
    seen = [(row["kind"], row["time_s"] > 14.9) for row in mesh.events().iter_rows(named=True)]
    assert (seen.count(("Disconnected", False)), seen.count(("Disconnected", True)) >= 2) == (0, True)
    assert seen.count(("Connected", True)) >= 2


def test_a_partition_has_the_shares_asked_for_and_heals() -> None:
    cut = {"kind": "partition", "at_s": 10, "shares": [0.25, 0.75], "heal_after_s": 5}
    listening = Listening(scenario(nodes=8, faults=[cut]))
    network, nodes = listening.mesh.network, listening.nodes
    listening.world.run(11)
    reach = sorted(sum(not network.separated(one, other) for other in nodes) for one in nodes)
    assert reach == [2, 2, 6, 6, 6, 6, 6, 6]
    listening.world.run(16)
    assert not any(network.separated(nodes[0], other) for other in nodes)


def test_a_mass_restart_gives_everybody_a_second_life() -> None:
    listening = Listening(scenario(faults=[{"kind": "mass-restart", "at_s": 10, "down_s": 2, "spread_s": 1}]))
    listening.world.run(11)
    assert not any(node.up for node in listening.nodes)
    listening.world.run(13)
    assert [node.life for node in listening.nodes] == [2] * 4


def test_a_rotten_disk_is_noticed_and_mended() -> None:
    listening = Listening(scenario(faults=[{"kind": "bit-rot", "at_s": 20, "count": 2, "restart_after_s": 1}]))
    listening.world.run(20.5)
    assert sum(node.up for node in listening.nodes) == 2
    prints = {read_fingerprint(node.disk.replica) for node in listening.nodes}
    assert len(prints) > 1
    listening.world.run(60)
    assert listening.count("storage.unequal") > 0
    assert listening.count("storage.mended") == 2
    assert len({read_fingerprint(node.disk.replica) for node in listening.nodes}) == 1
    trust = CheapTrust("x")
    assert all(verify_replica(node.disk.replica, MESH, trust).is_whole for node in listening.nodes)


def test_a_write_over_a_rotten_cell_is_refused_and_nobody_shows_what_others_hold_void() -> None:
    """Two cells that everybody writes to, so that a cell is written over before anybody can have noticed."""
    rot = [{"kind": "bit-rot", "at_s": at_s, "count": 2, "restart_after_s": 0.2} for at_s in (12, 18, 24)]
    listening = Listening(scenario(workload={"writes_per_s": 8.0, "keys": 2}, faults=rot))
    listening.world.run(45)
    journal = listening.mesh.metrics.journal
    assert journal.refused["DamagedRow"] > 0
    assert journal.graves.broken == []
    assert differences(listening.nodes) == []
    assert deep_differences(listening.nodes, journal) == []


def test_a_fault_is_a_value() -> None:
    faults = [{"kind": "lying-disk", "at_s": 1}, {"kind": "heal", "at_s": 2}, {"kind": "restart", "at_s": 3}]
    assert scenario(faults=faults).faults == (LyingDisk(at_s=1), Heal(at_s=2), Restart(at_s=3))
    assert Crash(at_s=1) != Partition(at_s=1)


@pytest.mark.parametrize(("silent", "noticed"), [(False, True), (True, False)])
def test_a_process_that_dies_is_noticed_by_its_streams_and_a_machine_without_power_is_not(
    silent: bool, noticed: bool
) -> None:
    crash = {"kind": "crash", "at_s": 12, "nodes": [1], "silent": silent}
    listening = Listening(scenario(network={"loss": 0.0}, faults=[crash]))
    listening.world.run(12.05)
    assert (listening.count("member.suspect") > 0) is noticed


@pytest.mark.parametrize(("nodes", "found"), [((), 1), ((0, 1), 4)])
def test_seeds_are_where_their_name_leads(nodes: tuple[int, ...], found: int) -> None:
    rename = {"kind": "rename", "at_s": 0.0, "nodes": nodes}
    listening = Listening(scenario(start={"named": True, "spread_s": 2.0}, faults=[rename]))
    listening.world.run(12.0)
    assert [len(listening.alive_at(node)) for node in listening.nodes] == [found] * 4
