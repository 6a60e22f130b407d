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
from mesh.crdt.branches import Tree
from mesh.crdt.compose import Edit
from mesh.crdt.effects import Composed, LedgerEffect, Stocked
from mesh.crdt.events import Compose, Merge, Retry, TakeEnds
from mesh.crdt.verify import verify_replica
from mesh.errors import Refused
from mesh.ids import Head
from mesh.storage.guards import Verdict
from sim.trust import CheapTrust, certificate_for
from tests.crdt.admin import end_of
from tests.crdt.histories import NAMES, clocks, writes
from tests.crdt.signed import Signed
from tests.crdt.site import MESH, NOON, STRANGER, exchange
from tests.storage.lived import LivedSite

MEMORY = Path("/dev/shm")
SITES_MAX = 5
ENDS_MAX = 3  # More would leave nobody who writes.
CERTIFICATES = tuple(map(certificate_for, NAMES))

turns = st.integers(0, SITES_MAX - 1)


class LivedReplicas(RuleBasedStateMachine):
    """Sites on real files, what is on the network between them, and what people were told is safe."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="lived-", dir=MEMORY if MEMORY.is_dir() else None))
        self.sites = [LivedSite(name, self.place / name) for name in NAMES]
        self.network: list[Batch] = []
        self.signed = Signed()
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
                self.signed.add(effect.batches)

    @initialize(edits=writes)
    def everybody_has_written(self, edits: tuple[Edit, ...]) -> None:
        """A writer without a batch has no number to give out twice."""
        for turn in range(len(self.sites)):
            self.write(turn, edits, 0.0)
            self.settle(turn)

    @rule(turn=turns, edits=writes, clock_s=clocks)
    def write_for_good(self, turn: int, edits: tuple[Edit, ...], clock_s: float) -> None:
        self.write(turn, edits, clock_s)
        self.settle(turn)

    @rule(turn=turns, edits=writes, clock_s=clocks)
    def write(self, turn: int, edits: tuple[Edit, ...], clock_s: float) -> None:
        self.requests += 1
        try:
            self.hear(self.site(turn).tell(Compose(self.requests, edits, "eva"), NOON + clock_s))
        except Refused:
            assert self.site(turn).ledger.is_ended

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
        self.acknowledged = [head for head in self.acknowledged if self.is_safe(head)]
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

    @precondition(lambda self: len(self.sites) < SITES_MAX)
    @rule(turn=turns, edits=writes, other=writes)
    def fork(self, turn: int, edits: tuple[Edit, ...], other: tuple[Edit, ...]) -> None:
        """A disk lives twice, and no guard tells: both write on as one writer."""
        number, target = turn % len(self.sites), self.place / f"fork-{len(self.sites)}"
        self.sites[number].copy_file(target)
        self.sites.append(LivedSite(self.sites[number].name, target, fooled=True))
        self.write_for_good(number, edits, 0.0)
        self.write_for_good(len(self.sites) - 1, other, 1.0)

    @precondition(lambda self: self.backups)
    @rule(data=st.data(), edits=writes)
    def roll_back_and_write(self, data: st.DataObject, edits: tuple[Edit, ...]) -> None:
        """A snapshot of the machine is put back: it goes on as the writer that it was, with numbers that are taken."""
        number, backup = data.draw(st.sampled_from(self.backups))
        self.sites[number].roll_back(backup)
        self.acknowledged = [head for head in self.acknowledged if self.is_safe(head)]
        self.write_for_good(number, edits, 2.0)

    @precondition(lambda self: self.signed.batches and len(self.signed.ends) < ENDS_MAX)
    @rule(turn=turns, whole=st.booleans(), data=st.data())
    def end(self, turn: int, whole: bool, data: st.DataObject) -> None:
        """The admin takes back what a writer signed from a batch on, or only the branch that begins with it."""
        opened = self.signed.batches[data.draw(st.sampled_from(list(self.signed.batches)))]
        content = opened.content
        signed = end_of(content.writer, content.number - 1, content.previous, b"" if whole else opened.hash)
        self.signed.end(signed)
        self.hear(self.site(turn).tell(TakeEnds((signed,))))

    @precondition(lambda self: self.signed.ends)
    @rule(turn=turns)
    def hear_of_ends(self, turn: int) -> None:
        self.hear(self.site(turn).tell(TakeEnds(tuple(self.signed.ends))))

    @rule(turn=turns)
    def look_on(self, turn: int) -> None:
        if self.site(turn).ledger.deadline() == 0:
            self.hear(self.site(turn).tell(Retry()))

    def is_somewhere(self, head: Head) -> bool:
        return any(site.ledger.holds(head) for site in self.sites)

    def is_safe(self, head: Head) -> bool:
        return self.is_somewhere(head) or self.signed.is_taken(head)

    @invariant()
    def what_is_durable_is_never_ahead(self) -> None:
        for site in self.sites:
            site.ledger.check()

    @invariant()
    def nothing_acknowledged_is_lost(self) -> None:
        assert all(map(self.is_safe, self.acknowledged))

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
        for turn in range(len(self.sites)):
            self.hear_of_ends(turn)
        exchange(self.sites)
        first, *others = self.sites
        self.what_is_held_waits_for_what_is_lost(first)
        for other in others:
            assert other.sight() == first.sight()
            assert sorted(batch.content for batch in other.log()) == sorted(batch.content for batch in first.log())
            assert other.fingerprint() == first.fingerprint()
            assert other.ledger.durable.digest == first.ledger.durable.digest
        assert all(first.ledger.holds(head) != self.signed.is_taken(head) for head in self.acknowledged)
        assert not any(
            site.ledger.writer in first.ledger.durable.branches for site in self.sites if not site.ledger.is_ended
        )
        self.nothing_reappears()

    def what_is_held_waits_for_what_is_lost(self, site: LivedSite) -> None:
        """A disk that was put back may have taken with it what others were made upon: then these wait, and say for what."""
        lines, tree = site.ledger.durable.lines, Tree(site.file, site.ledger.durable)
        held = {name for name, line in lines.items() if line.applied != line.have}
        assert held <= set(site.ledger.blocked)
        for need in site.ledger.blocked.values():
            assert need is not None
            found = tree.find(need.writer, need.number, need.hash)
            assert found is None or found.id in held


TestLivedReplicas = LivedReplicas.TestCase
TestLivedReplicas.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
