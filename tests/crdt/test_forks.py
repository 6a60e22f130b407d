"""What is said of forks is the same everywhere, and proves them."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from mesh.crdt.forks import Fork, scan_forks
from mesh.ids import RecordId
from sim.trust import CheapTrust
from tests.crdt.site import MESH, Pen, Site, put
from tests.crdt.test_branches import delivered, forest, laws

RECORD = RecordId("unit", "BTF/DIPOLE/1")


def forks(site: Site) -> list[Fork]:
    return list(scan_forks(site.disk, MESH))


@laws
@given(st.integers(0, 2**32), st.integers(1, 24))
def test_every_replica_names_the_same_forks_and_each_is_proven(seed: int, size: int) -> None:
    batches, rng = forest(seed, size), Random(seed)
    one, other = delivered(batches, rng), delivered(batches, rng)
    assert forks(one) == forks(other)
    assert sum(len(fork.branches) - 1 for fork in forks(one)) == sum(
        len(lines) for lines in one.ledger.durable.branches.values()
    )
    for fork in forks(one):
        contents = [branch.first.content for branch in fork.branches]
        assert {(c.writer, c.number, c.previous) for c in contents} == {
            (fork.writer, fork.number, contents[0].previous)
        }
        assert len({branch.first.hash for branch in fork.branches}) == len(fork.branches) >= 2
        assert all(CheapTrust("x").verify(fork.key, b.batch.signature, b.batch.content) for b in fork.branches)


def test_a_fork_of_a_fork_and_one_learned_later_at_a_lower_number_stand_in_order() -> None:
    site, pen = Site("a"), Pen()
    pens = [pen]
    for number in range(3):
        site.merge(pens[0].next(put(RECORD, "current", number)))
        pens.append(pens[0].copy())
    for index, other in enumerate(reversed(pens)):
        site.merge(other.next(put(RECORD, "voltage", index)), other.next(put(RECORD, "voltage", -index)))
    found = forks(site)
    assert [fork.number for fork in found] == [2, 3, 4]
    assert [sorted(branch.newest for branch in fork.branches) for fork in found] == [[3, 5], [4, 5], [5, 5]]
    assert forks(Site("nobody")) == []
