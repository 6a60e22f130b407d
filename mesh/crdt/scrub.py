"""The scrub reads all that is on the disk now and then, and makes the cells again from the log.

Invariant: at most one walk is under way; what may be wrong is walked before what is merely due; and a walk that could not read
the log as a whole changes no cell and is made again.
"""

from msgspec import Struct

from mesh.config import StorageConfig
from mesh.crdt.damage import Damaged, Mend, Suspect
from mesh.crdt.differences import place_of
from mesh.crdt.effects import Emit
from mesh.crdt.fingerprint import BUCKETS
from mesh.crdt.ledger import Ledger
from mesh.crdt.refold import Outcome, Refold
from mesh.crdt.replica import Table, Write

GROUP_BUCKETS = 16  # Of 256, so that a walk holds a sixteenth of the cells in memory.
RETRY_S = 5.0  # After a walk that met damage: two peers can be asked for what is lost meanwhile.
NAMES_MAX = 5  # Of mended cells in one sentence; the number of all stands beside it.


class Due(Struct, frozen=True):
    """The moment of `deadline()` may have come."""


ScrubSays = Damaged | Mend | Emit


class Scrub:
    """Walks over the ledger's own replica."""

    __slots__ = ("_at", "_config", "_due_at", "_ends", "_ledger", "_next_group", "_suspects", "_walk", "walks")

    def __init__(self, ledger: Ledger, config: StorageConfig, now: float) -> None:
        self._ledger, self._config = ledger, config
        self._walk: Refold | None = None
        self._suspects: dict[int, None] = {}
        self._next_group = self._ends = 0
        self._due_at = now + config.scrub_interval_s
        self._at = self._due_at
        self.walks = 0  # How many came to their end.

    def deadline(self) -> float:
        """When the next step is due."""
        return self._at

    def handle(self, event: Suspect | Due, now: float) -> list[ScrubSays]:
        """React to one event. Every step reads one state of its own."""
        match event:
            case Suspect(buckets):
                self._suspects.update(dict.fromkeys(buckets))
                if self._walk is None:
                    self._at = min(self._at, now)
                return []
            case Due():
                return self._on_due(now) if now >= self._at else []

    def _on_due(self, now: float) -> list[ScrubSays]:
        if self._walk is not None and self._ends != len(self._ledger.ends.by_name):
            self._suspects.update(
                dict.fromkeys(self._walk.buckets)
            )  # What it has read an end may have taken meanwhile.
            self._walk = None
        walk = self._walk = self._walk or self._begin(now)
        with self._ledger.read() as reader:
            outcome = walk.step(reader, self._ledger.lines)
        self._at = now + self._config.scrub_pause_s
        if outcome is None:
            return []
        self._walk = None
        self.walks += 1
        self._at = self._due_at if not self._suspects else self._at
        if not outcome.complete:
            self._suspects.update(dict.fromkeys(walk.buckets))
            self._at = now + RETRY_S
        return self._tell(outcome)

    def _begin(self, now: float) -> Refold:
        self._ends = len(self._ledger.ends.by_name)
        buckets = sorted(self._suspects)
        self._suspects.clear()
        if now >= self._due_at:
            self._due_at = now + self._config.scrub_interval_s
            buckets = sorted({*buckets, *range(self._next_group, self._next_group + GROUP_BUCKETS)})
            self._next_group = (self._next_group + GROUP_BUCKETS) % BUCKETS
        return Refold(self._ledger.mesh, tuple(buckets))

    def _tell(self, outcome: Outcome) -> list[ScrubSays]:
        mended = {(write.table, write.key) for write in outcome.writes}
        said: list[ScrubSays] = [one for one in outcome.damaged if (one.table, one.key) not in mended]
        if outcome.writes:
            said.append(Mend(outcome.writes, _sentence(outcome.writes)))
        return said


def _sentence(writes: tuple[Write, ...]) -> str:
    """What was wrong, as a person should hear it."""
    cells = [place_of(Table.CELLS, write.key) for write in writes if write.table is Table.CELLS]
    buckets = sum(write.table is Table.BUCKETS for write in writes)
    named = ", ".join(cells[:NAMES_MAX]) + (f" and {len(cells) - NAMES_MAX} more" if len(cells) > NAMES_MAX else "")
    parts = [f"cells that differed from the log: {named}"] if cells else []
    parts += [f"{buckets} buckets of the fingerprint"] if buckets else []
    return "; ".join(parts)
