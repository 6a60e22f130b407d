"""What is laid over a mixture leaves its order, its ends and its size as they were."""

from random import Random

from sim.breakage import Crash, Heal, Partition, Restart, end_of
from sim.rarities import TREE, rarer_faults, rarer_gossip, rarer_network
from sim.scenario import NetworkModel

CUT = Partition(at_s=10.0, heal_after_s=20.0)
OFF = Crash(at_s=12.0, restart_after_s=3.0)


def test_a_cut_that_is_healed_by_hand_is_whole_when_it_would_have_been() -> None:
    found = [rarer_faults((CUT,), 6, NetworkModel(), Random(seed)) for seed in range(50)]
    by_hand = [faults for faults in found if any(isinstance(fault, Heal) for fault in faults)]
    assert by_hand
    assert all(Heal(at_s=30.0) in faults for faults in by_hand)
    for faults in found:
        [cut] = [fault for fault in faults if isinstance(fault, Partition)]
        assert (cut.heal_after_s is None) == (Heal(at_s=30.0) in faults)


def test_who_stays_off_is_started_again() -> None:
    for seed in range(50):
        faults = rarer_faults((OFF,), 6, NetworkModel(), Random(seed))
        off = [fault for fault in faults if isinstance(fault, Crash) and fault.restart_after_s is None]
        assert len(off) == sum(isinstance(fault, Restart) for fault in faults)
        assert [fault.at_s for fault in faults] == sorted(fault.at_s for fault in faults)
        assert all(end_of(fault, 6) < 120.0 for fault in faults)


def test_nobody_is_hidden_where_fewer_than_two_can_be_dialled() -> None:
    hidden = [[rarer_network(NetworkModel(), seeds, Random(seed)).nat for seed in range(100)] for seeds in (1, 2)]
    assert [any(found) for found in hidden] == [False, True]


def test_some_meshes_tell_along_links() -> None:
    drawn = [rarer_gossip(Random(seed)) for seed in range(100)]
    assert 10 < drawn.count(TREE) < 60
