"""Three to five ledgers on real files live through everything that may happen to them and to their disks, and end as one.

Invariant: nothing that was acknowledged is lost unless the only disk that held it is; nothing reappears; each file is the fold of
its log. The files are on a disk in memory where there is one, so a sync costs nothing; what it is worth is tested in tests/power.
"""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mesh.crdt.batch import Batch
from mesh.crdt.compose import Edit
from mesh.crdt.effects import Composed, LedgerEffect, Stocked
from mesh.crdt.events import Compose, Merge
from mesh.crdt.verify import verify_replica
from mesh.ids import Head
from mesh.storage.guards import Verdict
from sim.trust import CheapTrust, certificate_for
from tests.crdt.histories import NAMES, clocks, writes
from tests.crdt.site import MESH, NOON, STRANGER, exchange
from tests.storage.lived import LivedSite

MEMORY = Path("/dev/shm")
SITES_MAX = 5
CERTIFICATES = tuple(map(certificate_for, NAMES))

turns = st.integers(0, SITES_MAX - 1)


class LivedReplicas(RuleBasedStateMachine):
    """Sites on real files, what is on the network between them, and what people were told is safe."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="lived-", dir=MEMORY if MEMORY.is_dir() else None))
        self.sites = [LivedSite(name, self.place / name) for name in NAMES]
        self.network: list[Batch] = []
        self.acknowledged: list[Head] = []
        self.backups: list[tuple[int, Path]] = []
        self.seen_commits: dict[int, int] = {}
        self.requests = 0

    def site(self, turn: int) -> LivedSite:
        return self.sites[turn % len(self.sites)]

    def hear(self, said: list[LedgerEffect]) -> None:
        for effect in said:
            if isinstance(effect, Composed) and effect.head is not None:
                self.acknowledged.append(effect.head)
            if isinstance(effect, Stocked):
                self.network += [opened.batch for opened in effect.batches]

    @initialize(edits=writes)
    def everybody_has_written(self, edits: tuple[Edit, ...]) -> None:
        """A writer without a batch has no number to give out twice."""
        for turn in range(len(self.sites)):
            self.write(turn, edits, 0.0)
            self.settle(turn)

    @rule(turn=turns, edits=writes, clock_s=clocks)
    def write(self, turn: int, edits: tuple[Edit, ...], clock_s: float) -> None:
        self.requests += 1
        self.hear(self.site(turn).tell(Compose(self.requests, edits, "eva"), NOON + clock_s))

    @precondition(lambda self: self.network)
    @rule(turn=turns, clock_s=clocks, data=st.data())
    def deliver(self, turn: int, clock_s: float, data: st.DataObject) -> None:
        """Some of what was ever sent arrives, in any order, some of it again; the rest may never come."""
        some = data.draw(st.lists(st.sampled_from(range(len(self.network))), max_size=8))
        batches = tuple(self.network[index] for index in some)
        self.hear(self.site(turn).tell(Merge(STRANGER, batches, CERTIFICATES), NOON + clock_s))

    @rule(turn=turns, source=turns)
    def reconcile(self, turn: int, source: int) -> None:
        batches = self.site(source).lacked_by(self.site(turn).known())
        self.hear(self.site(turn).tell(Merge(STRANGER, batches, CERTIFICATES)))

    @rule(turn=turns)
    def store(self, turn: int) -> None:
        if self.site(turn).waiting:
            self.hear(self.site(turn).store())

    @rule(turn=turns)
    def settle(self, turn: int) -> None:
        self.hear(self.site(turn).settle())

    @rule(turn=turns)
    def fail(self, turn: int) -> None:
        if self.site(turn).waiting:
            self.hear(self.site(turn).fail())

    @rule(turn=turns, interrupted=st.booleans())
    def cut_power(self, turn: int, interrupted: bool) -> None:
        site = self.site(turn)
        site.restart(interrupted=interrupted)
        assert site.verdict is Verdict.SAME

    @rule(turn=turns)
    def back_up(self, turn: int) -> None:
        target = self.place / f"backup-{len(self.backups)}"
        self.site(turn).copy_file(target)
        self.backups.append((turn % len(self.sites), target))

    @precondition(lambda self: self.backups)
    @rule(data=st.data(), edits=writes)
    def put_a_backup_back_and_write(self, data: st.DataObject, edits: tuple[Edit, ...]) -> None:
        number, backup = data.draw(st.sampled_from(self.backups))
        self.sites[number].put_back(backup)
        assert not self.sites[number].verdict.keeps_era
        self.acknowledged = [head for head in self.acknowledged if self.is_somewhere(head)]
        self.write(number, edits, 0.0)

    @precondition(lambda self: len(self.sites) < SITES_MAX)
    @rule(turn=turns, edits=writes)
    def run_a_copy_of_the_disk_and_write_on_both(self, turn: int, edits: tuple[Edit, ...]) -> None:
        """Somebody copies the machine, guard and all, and starts the copy beside it."""
        number, target = turn % len(self.sites), self.place / f"copy-{len(self.sites)}"
        self.sites[number].copy_file(target)
        self.sites.append(LivedSite(self.sites[number].name, target))
        assert self.sites[-1].verdict is Verdict.MOVED
        self.write(number, edits, 0.0)
        self.write(len(self.sites) - 1, edits, 1.0)

    def is_somewhere(self, head: Head) -> bool:
        return any(site.ledger.holds(head) for site in self.sites)

    @invariant()
    def what_is_durable_is_never_ahead(self) -> None:
        for site in self.sites:
            site.ledger.check()

    @invariant()
    def nothing_acknowledged_is_lost(self) -> None:
        assert all(map(self.is_somewhere, self.acknowledged))

    @invariant()
    def nothing_reappears(self) -> None:
        assert not [dot for site in self.sites for dot in site.reappeared()]

    @invariant()
    def every_file_is_the_fold_of_its_log(self) -> None:
        for number, site in enumerate(self.sites):
            if self.seen_commits.get(number) == site.file.commits:
                continue
            with site.file.read() as reader:
                report = verify_replica(reader, MESH, CheapTrust(site.name))
            assert report.is_whole, report.differences
            self.seen_commits[number] = site.file.commits

    def teardown(self) -> None:
        try:
            self.agree()
        finally:
            for site in self.sites:
                site.end()
            shutil.rmtree(self.place)

    def agree(self) -> None:
        """In the end all have the same, and each of them shows it."""
        exchange(self.sites)
        first, *others = self.sites
        assert all(line.applied == line.have for line in first.ledger.durable.lines.values())
        for other in others:
            assert other.tables() == first.tables()
            assert other.log() == first.log()
            assert other.fingerprint() == first.fingerprint()
            assert other.ledger.durable.digest == first.ledger.durable.digest
        assert all(map(first.ledger.holds, self.acknowledged))
        self.nothing_reappears()


TestLivedReplicas = LivedReplicas.TestCase
TestLivedReplicas.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
