"""Two whole peers in memory that share most of a large ledger: what they say to each other, in bytes.

Signatures are the simulator's cheap ones, lengthened to the 71 bytes of most real ones; everything else is as in a real mesh.
"""

from collections.abc import Iterator
from random import Random

from msgspec import Struct

from bench.ledger import NOW, VALUE
from mesh.crdt.batch import (
    DOMAIN,
    SEMANTICS,
    Batch,
    Change,
    Content,
    Kind,
    encode_content,
    encode_value,
    hash_content,
    writer_id,
)
from mesh.crdt.effects import Store
from mesh.crdt.events import Merge, Stored
from mesh.crdt.ledger import Ledger
from mesh.crdt.replica import MemoryReplica, Table, Write
from mesh.effects import Effect, Send, Stream
from mesh.events import Connected, Received, Tick
from mesh.ids import NO_BATCH, Address, BatchHash, Boot, MeshId, NodeId, RecordId
from mesh.origin import Origin
from mesh.peer import Event, Peer
from mesh.wire import encode_frame
from sim.trust import CheapTrust, certificate_for

MESH = MeshId(b"mesh to measure!")
GROUP = 512
PADDING = b"-" * 55  # 16 bytes and these are as long as ECDSA over P-256 in DER mostly is.


def batches_of(writers: int, count: int) -> Iterator[Batch]:
    """`count` batches of one field each, round robin over `writers` of them."""
    names = [f"writer{number}" for number in range(writers)]
    pens = [SizedTrust(name) for name in names]
    certificates = [CheapTrust(name).read_certificate(certificate_for(name)).hash for name in names]
    heads = [(0, NO_BATCH)] * writers
    era, value = bytes(16), encode_value(VALUE)
    for index in range(count):
        place = index % writers
        number, previous = heads[place]
        change = Change(RecordId("unit", f"BENCH/UNIT{index // 20:06}"), f"field{index % 20:02}", Kind.PUT, value, ())
        content = Content(
            DOMAIN,
            MESH,
            SEMANTICS,
            0,
            writer_id(certificates[place], era),
            era,
            certificates[place],
            number + 1,
            BatchHash(previous),
            (int(NOW) << 20) + index,
            names[place],
            (),
            (change,),
            {},
        )
        raw = encode_content(content)
        heads[place] = (number + 1, hash_content(raw))
        yield Batch(raw, pens[place].sign(raw))


def bytes_of(batch: Batch) -> int:
    """What a batch itself takes."""
    return len(batch.content) + len(batch.signature)


class SizedTrust(CheapTrust):
    """Cheap keys whose signatures are as long as real ones."""

    def sign(self, content: bytes) -> bytes:
        """This node's signature of `content`."""
        return super().sign(content) + PADDING

    def verify(self, key: bytes, signature: bytes, content: bytes) -> bool:
        """Whether the owner of `key` signed `content`."""
        return signature.endswith(PADDING) and super().verify(key, signature.removesuffix(PADDING), content)


class Shelf:
    """A replica that grows, and can be copied."""

    def __init__(self, writers: int) -> None:
        self.replica = MemoryReplica()
        self._certificates = tuple(certificate_for(f"writer{number}") for number in range(writers))
        own = certificate_for("shelf")
        self._ledger = Ledger(MESH, SizedTrust("shelf"), self.replica, own, Random(1).randbytes)

    def take_in(self, batches: list[Batch]) -> None:
        """Apply and store."""
        for start in range(0, len(batches), GROUP):
            merge = Merge(NodeId(bytes(16)), tuple(batches[start : start + GROUP]), self._certificates)
            for effect in self._ledger.handle(merge, NOW):
                assert isinstance(effect, Store), effect
                self.replica.write(effect.writes)
                self._ledger.handle(Stored(effect.ticket), NOW)

    def copy(self) -> MemoryReplica:
        """What it holds now."""
        copy = MemoryReplica()
        for table in Table:
            copy.write(Write(table, key, row) for key, row in self.replica.scan(table))
        return copy


class Spoken(Struct):
    """What went over the stream between two peers."""

    bytes: int = 0
    messages: int = 0


class Member:
    """One peer, and the disk that it writes to."""

    def __init__(self, name: str, replica: MemoryReplica) -> None:
        self.address = Address(name, 7000)
        trust, self._disk = SizedTrust(name), replica
        self.node = trust.read_certificate(certificate_for(name)).node
        origin = Origin(MESH, certificate_for(name), trust, self.address, "", Boot(1, 1), replica, MemoryReplica())
        self.peer = Peer(origin, Random(name), Random(name).randbytes, NOW)

    def tell(self, event: Event) -> list[Effect]:
        """Hand over an event; the disk does its part at once."""
        effects = self.peer.handle(event, NOW)
        for store in [effect for effect in effects if isinstance(effect, Store)]:
            self._disk.write(store.writes)
            effects += self.tell(Stored(store.ticket))
        return effects


def reconcile(one: Member, two: Member) -> Spoken:
    """`one` dials `two`, and they talk until they hold the same and are silent."""
    spoken = Spoken()
    queue = [(one, effect) for effect in one.tell(Connected(two.node, two.address, True))]
    queue += [(two, effect) for effect in two.tell(Connected(one.node, one.address, False))]
    while True:
        for speaker, effect in queue:
            hearer = two if speaker is one else one
            if isinstance(effect, Stream | Send):
                spoken.bytes += len(encode_frame(effect.message))
                spoken.messages += 1
                heard = Received(speaker.node, speaker.address, effect.message, isinstance(effect, Stream))
                queue.extend((hearer, answer) for answer in hearer.tell(heard))
        queue = [(m, e) for m in (one, two) if m.peer.deadline() <= 0.0 for e in m.tell(Tick())]
        if not queue:
            return spoken
