"""Three replicas live through everything that may happen to them, and end as one.

Invariant: nothing that was acknowledged is lost, unless the only disk that held it is.
"""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mesh.crdt.batch import Batch
from mesh.crdt.compose import Edit
from mesh.crdt.effects import Composed, LedgerEffect, Stocked
from mesh.crdt.events import Compose, Merge, OpenEra
from mesh.crdt.replica import MemoryReplica
from mesh.ids import Head
from sim.trust import certificate_for
from tests.crdt.histories import NAMES, clocks, writes
from tests.crdt.histories import sites as indices
from tests.crdt.site import NOON, STRANGER, Site, copy_of, exchange

CERTIFICATES = tuple(map(certificate_for, NAMES))


class Replicas(RuleBasedStateMachine):
    """Sites, what is on the network between them, and what people were told is safe."""

    def __init__(self) -> None:
        super().__init__()
        self.sites = [Site(name) for name in NAMES]
        self.network: list[Batch] = []
        self.acknowledged: list[Head] = []
        self.backups: list[MemoryReplica] = [copy_of(site.disk) for site in self.sites]
        self.requests = 0

    def hear(self, said: list[LedgerEffect]) -> None:
        for effect in said:
            if isinstance(effect, Composed) and effect.head is not None:
                self.acknowledged.append(effect.head)
            if isinstance(effect, Stocked):
                self.network += [opened.batch for opened in effect.batches]

    @rule(site=indices, edits=writes, clock_s=clocks)
    def write(self, site: int, edits: tuple[Edit, ...], clock_s: float) -> None:
        self.requests += 1
        self.hear(self.sites[site].tell(Compose(self.requests, edits, NAMES[site]), NOON + clock_s))

    @precondition(lambda self: self.network)
    @rule(site=indices, clock_s=clocks, data=st.data())
    def deliver(self, site: int, clock_s: float, data: st.DataObject) -> None:
        some = data.draw(st.lists(st.sampled_from(range(len(self.network))), max_size=8))
        batches = tuple(self.network[index] for index in some)
        self.hear(self.sites[site].tell(Merge(STRANGER, batches, CERTIFICATES), NOON + clock_s))

    @rule(site=indices, source=indices)
    def reconcile(self, site: int, source: int) -> None:
        batches = self.sites[source].lacked_by(self.sites[site].known())
        self.hear(self.sites[site].tell(Merge(STRANGER, batches, CERTIFICATES)))

    @rule(site=indices)
    def store(self, site: int) -> None:
        if self.sites[site].waiting:
            self.hear(self.sites[site].store())

    @rule(site=indices)
    def settle(self, site: int) -> None:
        self.hear(self.sites[site].settle())

    @rule(site=indices)
    def fail(self, site: int) -> None:
        if self.sites[site].waiting:
            self.hear(self.sites[site].fail())

    @rule(site=indices)
    def cut_power(self, site: int) -> None:
        self.sites[site].open()

    @rule(site=indices)
    def back_up(self, site: int) -> None:
        self.backups[site] = copy_of(self.sites[site].disk)

    @rule(site=indices)
    def restore_backup(self, site: int) -> None:
        self.replace_disk(site, copy_of(self.backups[site]))
        self.sites[site].tell(OpenEra("it was restored"))
        self.sites[site].settle()

    @rule(site=indices)
    def put_backup_back_unnoticed(self, site: int) -> None:
        """Behind the guards' backs: what is written next may have a number that was used already."""
        self.replace_disk(site, copy_of(self.backups[site]))

    @rule(site=indices)
    def lose_disk(self, site: int) -> None:
        self.replace_disk(site, MemoryReplica())
        self.backups[site] = MemoryReplica()

    def replace_disk(self, site: int, disk: MemoryReplica) -> None:
        self.sites[site].disk = disk
        self.sites[site].open()
        self.acknowledged = [head for head in self.acknowledged if self.is_somewhere(head)]

    def is_somewhere(self, head: Head) -> bool:
        return any(site.ledger.holds(head) for site in self.sites)

    @invariant()
    def every_core_is_sound(self) -> None:
        for site in self.sites:
            site.ledger.check()

    @invariant()
    def nothing_acknowledged_is_lost(self) -> None:
        assert all(map(self.is_somewhere, self.acknowledged))

    @invariant()
    def every_disk_is_the_fold_of_its_log(self) -> None:
        for site in self.sites:
            refolded = Site("refolded")
            while len(refolded.log()) < len(site.log()):  # A branch may stand before what it leaves.
                refolded.merge(*site.log())
            refolded.merge(*site.log())
            assert refolded.sight() == site.sight()

    def teardown(self) -> None:
        exchange(self.sites)
        first, *others = self.sites
        assert all(line.applied == line.have for line in first.ledger.durable.lines.values())
        for other in others:
            assert other.sight() == first.sight()
            assert len(other.log()) == len(first.log())
        assert all(map(first.ledger.holds, self.acknowledged))
        answered = [request for site in self.sites for request, _ in site.answers()]
        assert len(answered) == len(set(answered))


TestReplicas = Replicas.TestCase
TestReplicas.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
