"""Repair gets back from peers and from the log what this node's disk has damaged, and notices when two equal ledgers differ.

Invariant: a batch that comes in takes the place of a damaged row only if it has the hash that the chain names and its writer's
signature; nothing damaged is handed to a peer.
"""

from random import Random

from msgspec import Struct

from mesh.crdt.batch import Batch, decode_batch, encode_batch, hash_content
from mesh.crdt.damage import Damaged, Mend, Suspect, Tolerant
from mesh.crdt.differences import place_of
from mesh.crdt.ending import ASSUMED
from mesh.crdt.ends import end_write
from mesh.crdt.expected import expected_fate, expected_hash, held_well, is_held_well
from mesh.crdt.fingerprint import SHORT_BYTES, bucket_of
from mesh.crdt.keys import number_of
from mesh.crdt.ledger import Ledger
from mesh.crdt.lines import Context, LineId, line_write
from mesh.crdt.replica import Reader, Table, Write
from mesh.effects import Emit, GossipEffect, Stream
from mesh.errors import MalformedMessage, StorageError
from mesh.events import Received, Tick
from mesh.gossip.roster import Roster
from mesh.ids import Address, BatchHash, CertificateHash, Head, NodeId, short
from mesh.messages import WANTED_MAX, BucketSums, Digests, FoundBatches, WantBatches
from mesh.security.trust import Trust

ASK_S = 2.0  # Between two peers that are asked for the same rows: time for one answer.
NAMES_MAX = 5  # Of mended rows in one sentence.
LINE_BYTES = 16
UNKNOWN = bytes(SHORT_BYTES)
WANTED_ROWS_MAX = 100_000  # Of a disk that is worse than that people start anew.
ANSWER_BYTES = 512 * 1024  # As much as reconcile sends at once.
COMPARE_S = (
    5.0  # The pause before two equal ledgers with unequal fingerprints compare buckets again; it doubles each time.
)
COMPARE_S_MAX = 3600.0


class Compare(Struct, frozen=True):
    """The answer to a probe carried the digests of `peer`."""

    peer: NodeId
    at: Address
    digests: Digests


RepairEvent = Damaged | Compare | Received | Tick
RepairSays = GossipEffect | Mend | Suspect


class Repair:
    """Mends the rows of one replica."""

    __slots__ = ("_at", "_holds", "_ledger", "_pauses", "_rng", "_roster", "_seen", "_trust", "_wanted")

    def __init__(self, ledger: Ledger, roster: Roster, trust: Trust, rng: Random) -> None:
        self._ledger, self._roster, self._trust, self._rng = ledger, roster, trust, rng
        self._wanted: dict[Damaged, None] = {}  # Batches and certificates that only a peer can give back.
        self._at = float("inf")
        self._seen: tuple[Context | None, int] = (None, 0)  # For which lines it is known whether a batch is held.
        self._holds = False
        self._pauses: dict[NodeId, tuple[float, float]] = {}  # When to compare again, and the pause after that.

    @property
    def wanted(self) -> int:
        """How many rows are asked for."""
        return len(self._wanted)

    def deadline(self) -> float:
        """When somebody is asked next."""
        return self._at

    def handle(self, event: RepairEvent, now: float) -> list[RepairSays]:
        """React to one event."""
        match event:
            case Damaged():
                return self._on_damaged(event, now)
            case Compare():
                return self._on_digests(event, now)
            case Received(sender, at, WantBatches() as want):
                return [Stream(sender, at, self._find(want))]
            case Received(_, _, FoundBatches() as found):
                return self._on_found(found)
            case Received(sender, at, BucketSums() as theirs):
                return self._on_sums(sender, at, theirs)
            case Tick():
                return self._ask(now) if now >= self._at else []
            case _:
                return []

    # ---- what is damaged here

    def _on_damaged(self, damaged: Damaged, now: float) -> list[RepairSays]:
        table, key = damaged.table, damaged.key
        said = Emit("storage.damaged", {"reason": f"{place_of(table, key)} in {table} is not what was written"})
        match table:
            case Table.BATCHES | Table.CERTIFICATES:
                if damaged in self._wanted or len(self._wanted) >= WANTED_ROWS_MAX:
                    return []
                self._wanted[damaged] = None
                self._at = min(self._at, now)
                return [said]
            case Table.CELLS:
                return [said, Suspect((bucket_of(key),))]
            case Table.BUCKETS:
                return [said, Suspect((key[0],))]
            case Table.CONTEXT | Table.FORKS:
                line = self._ledger.lines.get(LineId(key[-LINE_BYTES:]))
                return [said, _mend(line_write(line) if line is not None else Write(table, key, None))]
            case Table.ENDS:
                signed = self._ledger.ends.signed.get(key)
                return [said, _mend(end_write(signed) if signed is not None else Write(table, key, None))]
            case Table.ASSUMED:
                return [said, _mend(Write(table, key, ASSUMED))]
            case Table.ENDED:
                return [said, _mend(Write(table, key, None))]  # It stood there for people alone.
            case Table.FATES:
                return [said, *self._on_fate(key)]
            case _:
                return [said]  # Of the node's life: what can't be read is begun anew when the node starts.

    def _on_fate(self, key: bytes) -> list[RepairSays]:
        ledger = self._ledger
        try:
            with ledger.read() as reader:
                row = expected_fate(reader, ledger.lines, ledger.mesh, LineId(key[:LINE_BYTES]), number_of(key))
        except (StorageError, MalformedMessage):
            return []  # The batch is damaged, too; the next scrub comes back to this.
        return [_mend(Write(Table.FATES, key, row))]

    def _ask(self, now: float) -> list[RepairSays]:
        """Ask one peer for all that is wanted still, and another one later for the rest."""
        self._at = float("inf")
        heads: list[Head] = []
        certificates: list[CertificateHash] = []
        with self._ledger.read() as reader:
            for one in list(self._wanted):
                head = self._head(reader, one)
                if self._is_back(reader, one, head):
                    del self._wanted[one]
                elif one.table is Table.CERTIFICATES:
                    certificates.append(CertificateHash(one.key))
                elif head is not None:
                    heads.append(head)
        if self._wanted:
            self._at = now + ASK_S
        others = self._roster.others()
        at = self._roster.address(node := self._rng.choice(others)) if others else None
        if at is None or not (heads or certificates):
            return []
        return [Stream(node, at, WantBatches(tuple(heads[:WANTED_MAX]), tuple(certificates[:WANTED_MAX])))]

    def _head(self, reader: Reader, wanted: Damaged) -> Head | None:
        """What a wanted batch is called; None for a certificate, and where its successor has to come back first."""
        if wanted.table is not Table.BATCHES:
            return None
        name, number = LineId(wanted.key[:LINE_BYTES]), number_of(wanted.key)
        found = expected_hash(reader, self._ledger.lines, name, number)
        return Head(self._ledger.lines[name].have.writer, number, found) if found is not None else None

    def _is_back(self, reader: Reader, wanted: Damaged, head: Head | None) -> bool:
        if head is not None:
            return is_held_well(reader, LineId(wanted.key[:LINE_BYTES]), head.number, head.hash)
        if wanted.table is Table.BATCHES:
            line = self._ledger.lines.get(LineId(wanted.key[:LINE_BYTES]))
            return line is None or number_of(wanted.key) > line.have.number
        return Tolerant(reader).get(Table.CERTIFICATES, wanted.key) is not None

    def _on_found(self, found: FoundBatches) -> list[RepairSays]:
        with self._ledger.read() as reader:
            heads = [(one, head) for one in self._wanted if (head := self._head(reader, one)) is not None]
            wanted = {head.hash: (one, head) for one, head in heads if not self._is_back(reader, one, head)}
        writes = [write for batch in found.batches if (write := self._checked(batch, wanted)) is not None]
        for raw in found.certificates:
            known = self._trust.read_certificate(raw)
            if Damaged(Table.CERTIFICATES, known.hash) in self._wanted:
                writes.append(Write(Table.CERTIFICATES, known.hash, raw))
        return [_mend(*writes)] if writes else []

    def _checked(self, batch: Batch, wanted: dict[BatchHash, tuple[Damaged, Head]]) -> Write | None:
        """The row for a batch that is wanted. Raises MalformedMessage where its writer has not signed it."""
        found = wanted.get(hash_content(batch.content))
        if found is None:
            return None
        damaged, head = found
        if not self._trust.verify(self._ledger.lines[head.writer].key, batch.signature, batch.content):
            raise MalformedMessage(f"batch {head.number} of writer {short(head.writer)} is not signed by its writer")
        return Write(Table.BATCHES, damaged.key, encode_batch(batch))

    # ---- what others miss

    def _find(self, want: WantBatches) -> FoundBatches:
        batches: list[Batch] = []
        room = ANSWER_BYTES
        with self._ledger.read_durable() as below:
            reader = Tolerant(below)
            for head in want.heads:
                row = held_well(below, self._ledger.durable, head) if room > 0 else None
                if row is not None:
                    batches.append(decode_batch(row))
                    room -= len(row)
            certificates = [reader.get(Table.CERTIFICATES, key) for key in want.certificates]
        return FoundBatches(tuple(batches), tuple(raw for raw in certificates if raw is not None))

    # ---- equal ledgers, unequal states

    def state(self) -> bytes:
        """The short fingerprint for a probe; zeros while a batch is held, because the state then does not follow from the heads."""
        durable = self._ledger.durable
        if self._seen != (durable, durable.moves):
            self._seen = durable, durable.moves
            self._holds = any(line.applied.number < line.have.number for line in durable.lines.values())
        return UNKNOWN if self._holds else self._ledger.fingerprint.short

    def _on_digests(self, compare: Compare, now: float) -> list[RepairSays]:
        ours, theirs = self.state(), compare.digests
        if theirs.ledger != self._ledger.durable.digest or UNKNOWN in (ours, theirs.state):
            return []
        if theirs.state == ours:
            self._pauses.pop(compare.peer, None)
            return []
        due, pause = self._pauses.get(compare.peer, (now, COMPARE_S))
        if now < due:
            return []
        if now > due + COMPARE_S_MAX:  # They have long been equal since; of that nothing is told.
            pause = COMPARE_S
        self._pauses[compare.peer] = now + pause, min(2 * pause, COMPARE_S_MAX)
        return [Stream(compare.peer, compare.at, self._sums(reply=True))]

    def _sums(self, reply: bool) -> BucketSums:
        return BucketSums(self._ledger.durable.digest, self._ledger.fingerprint.sums(), reply)

    def _on_sums(self, sender: NodeId, at: Address, theirs: BucketSums) -> list[RepairSays]:
        ours = self._sums(reply=False)
        if theirs.ledger != ours.ledger:
            return []  # One of the two has moved on; the next probe tells.
        answer: list[RepairSays] = [Stream(sender, at, ours)] if theirs.reply else []
        differing = tuple(n for n, (a, b) in enumerate(zip(ours.sums, theirs.sums, strict=True)) if a != b)
        if not differing:
            return answer
        reason = "this peer has applied the same batches and holds another state: both make theirs again from the log"
        told = Emit("storage.unequal", {"node": sender.hex(), "buckets": len(differing), "reason": reason})
        return [*answer, told, Suspect(differing)]


def _mend(*writes: Write) -> Mend:
    places = [f"{place_of(write.table, write.key)} in {write.table}" for write in writes]
    more = f" and {len(places) - NAMES_MAX} more" if len(places) > NAMES_MAX else ""
    return Mend(writes, ", ".join(places[:NAMES_MAX]) + more)
