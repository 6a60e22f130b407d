"""All that peers may say to each other: one frozen Struct each.

Invariant: every list has a limit, and the limit is part of the type, so that it is checked while decoding.
"""

from enum import IntEnum
from functools import cached_property
from hashlib import blake2b
from typing import Annotated

from msgspec import Meta, Struct

from mesh.crdt.batch import Batch
from mesh.crdt.board import SignedDelta
from mesh.crdt.ends import SignedEnd
from mesh.crdt.fingerprint import BUCKETS, SHORT_BYTES
from mesh.crdt.sums import BUCKETS_MAX, EVERYTHING, SUM_BYTES, Span
from mesh.ids import Address, Boot, CertificateHash, Head, NodeId

NEWS_MAX = 64  # More does not fit a datagram anyway.
ROSTER_MAX = 20_000  # Twice the largest mesh we plan for.
HEADS_MAX = 20_000  # Of one page: a quarter of a frame.
OVER_MAX = 4  # More copies of one disk than run at once by accident.
VOICES_MAX = 8  # More do not make a suspicion any surer.
CREDIT_MAX = 16
BATCHES_MAX = 4_096
CERTIFICATES_MAX = 4_096
CERTIFICATE_BYTES_MAX = 8_192
DIGEST_BYTES = 16
MARK_BYTES = 8
MARKS_MAX = 4_096
HINTS_MAX = 4
ENDS_MAX = 4096  # In one message: far more than a mesh ever has, and within a frame.
WANTED_MAX = 256  # Rows that a disk has damaged and that are asked for at once.

Text = Annotated[str, Meta(max_length=256)]
Bytes = Annotated[bytes, Meta(max_length=CERTIFICATE_BYTES_MAX)]
Sums = Annotated[bytes, Meta(min_length=SUM_BYTES, max_length=BUCKETS_MAX * SUM_BYTES)]
Credit = Annotated[int, Meta(ge=0, le=CREDIT_MAX)]
Session = Annotated[int, Meta(ge=0, lt=2**32)]
Digest = Annotated[bytes, Meta(min_length=DIGEST_BYTES, max_length=DIGEST_BYTES)]
Short = Annotated[bytes, Meta(min_length=SHORT_BYTES, max_length=SHORT_BYTES)]


Mark = Annotated[bytes, Meta(min_length=MARK_BYTES, max_length=MARK_BYTES)]
Marks = Annotated[tuple[Mark, ...], Meta(max_length=MARKS_MAX)]
Microseconds = Annotated[int, Meta(ge=0, lt=2**32)]


class Standing(IntEnum):
    """How a member stands, in the order in which one overrides the other for the same (boot, counter)."""

    ALIVE = 0
    SUSPECT = 1
    DOWN = 2
    LEFT = 3


class Claim(Struct, frozen=True, array_like=True, gc=False):
    """What a member says of itself. (boot, counter) orders a member's own claims; `standing` is ALIVE or LEFT.

    `key` is the public key whose fingerprint `node` is; `api` the URL at which clients are served. `over` has the noise of the
    latest boots in its own name that it outranked, and of those that they had: so a life that is outranked learns that it is known.
    """

    node: NodeId
    name: Text
    key: Bytes
    address: Address
    api: Text
    boot: Boot
    counter: int
    standing: Standing
    over: Annotated[tuple[int, ...], Meta(max_length=OVER_MAX)] = ()


class SignedClaim(Struct, frozen=True, array_like=True, tag=1, gc=False):
    """A claim's bytes and its member's signature over them. Made once per change."""

    body: Bytes
    signature: Bytes


class Accusation(Struct, frozen=True, array_like=True, tag=2, gc=False):
    """What `accuser` says of another member's claim (boot, counter): SUSPECT or DOWN.

    `voices` are the members of good local health that found it silent, each for itself (Lifeguard's confirmations).
    """

    node: NodeId
    boot: Boot
    counter: int
    standing: Standing
    accuser: NodeId
    voices: Annotated[tuple[NodeId, ...], Meta(max_length=VOICES_MAX)] = ()


Newsflash = SignedClaim | Accusation
News = Annotated[tuple[Newsflash, ...], Meta(max_length=NEWS_MAX)]


class Digests(Struct, frozen=True, array_like=True, dict=True):
    """What a peer holds, in 16 bytes each: the roster, the ledger's heads, the boards' versions. All durable state."""

    roster: Digest
    ledger: Digest
    boards: Digest
    state: Short = bytes(SHORT_BYTES)  # Of the ledger's fingerprint: equal ledgers must show equal states.

    @cached_property
    def summary(self) -> bytes:
        """8 bytes of all: two that differ look equal once in 2^64, and no longer than until something changes."""
        together = self.roster + self.ledger + self.boards + self.state
        return blake2b(together, digest_size=MARK_BYTES).digest()


class Ping(Struct, frozen=True, array_like=True, tag=10, gc=False):
    """Are you there? `probe` pairs the answer with the question; `summary` is of the sender's digests."""

    probe: int
    summary: Mark
    news: News = ()


class Ack(Struct, frozen=True, array_like=True, tag=11, gc=False):
    """I am here. A helper passes on the ack of the member that it was asked to ping.

    `digests` are told where they differ from the summary in the ping; None: they do not, or it is passed on.
    """

    probe: int
    target: NodeId
    digests: Digests | None
    news: News = ()


class PingRequest(Struct, frozen=True, array_like=True, tag=12):
    """Please ping `target` for me: my own ping had no answer (SWIM §3.1, indirect probe)."""

    probe: int
    target: NodeId
    at: Address
    news: News = ()


class Nack(Struct, frozen=True, array_like=True, tag=14):
    """I pinged `target` as you asked, and have had no answer yet. It tells that the two of us can talk (Lifeguard)."""

    probe: int
    target: NodeId


class Knock(Struct, frozen=True, array_like=True, tag=15):
    """Are you there, over a stream? My datagram with this probe had no answer."""

    probe: int


class Open(Struct, frozen=True, array_like=True, tag=16):
    """I am here: the answer to Knock, over the same stream."""

    probe: int


class Gossip(Struct, frozen=True, array_like=True, tag=13):
    """News that does not wait for the next probe."""

    news: News


class RosterPage(Struct, frozen=True, array_like=True, tag=20):
    """Claims and accusations that the receiver may lack. `wanted`: those whose claims the sender would like to have."""

    claims: Annotated[tuple[SignedClaim, ...], Meta(max_length=ROSTER_MAX)]
    accusations: Annotated[tuple[Accusation, ...], Meta(max_length=ROSTER_MAX)]
    wanted: Annotated[tuple[NodeId, ...], Meta(max_length=ROSTER_MAX)] = ()


class RosterSums(Struct, frozen=True, array_like=True, tag=21):
    """Sums of the roster that a peer holds, by bucket. Answered with the RosterMarks of those that differ."""

    sums: Sums


class RosterMarks(Struct, frozen=True, array_like=True, tag=22):
    """All members that a peer holds in `span`: the identity and the mark of each, 24 bytes together. Answered with a RosterPage."""

    span: Span
    marks: Annotated[bytes, Meta(max_length=ROSTER_MAX * 24)]


class Heads(Struct, frozen=True, array_like=True, tag=30):
    """The durable heads that a peer holds of the writers in `span`.

    `reply`: these are all, and the other side's are wanted. Otherwise this is the answer, and names only the heads that differ from
    those named before; a writer that is not held has number 0. What lacks here may be sent at once, up to `credit` parcels of
    `session`; each More allows others.
    """

    heads: Annotated[tuple[Head, ...], Meta(max_length=HEADS_MAX)]
    reply: bool
    span: Span = EVERYTHING
    session: Session = 0
    credit: Credit = 0


class Batches(Struct, frozen=True, array_like=True, tag=31):
    """Batches, with the certificates of writers that the receiver may not know.

    `session` 0: news. Otherwise a parcel of what the receiver lacks, to be answered with More once it is stored; `more`: it is not
    the last one.
    """

    batches: Annotated[tuple[Batch, ...], Meta(max_length=BATCHES_MAX)]
    certificates: Annotated[tuple[Bytes, ...], Meta(max_length=CERTIFICATES_MAX)] = ()
    more: bool = False
    session: Session = 0


class Boards(Struct, frozen=True, array_like=True, tag=32, gc=False):
    """Signed deltas of boards. `more`: the receiver lacks others that did not fit; it may ask again.

    `pulled`: they answer the receiver's versions; otherwise they are news.
    """

    deltas: Annotated[tuple[SignedDelta, ...], Meta(max_length=ROSTER_MAX)]
    more: bool = False
    pulled: bool = False


class HeadSums(Struct, frozen=True, array_like=True, tag=33):
    """Sums of the durable heads that a peer holds, by bucket. Answered with the Heads of those that differ."""

    sums: Sums
    session: Session
    credit: Credit


class More(Struct, frozen=True, array_like=True, tag=34):
    """A parcel of `session` is stored: `credit` more may come."""

    session: Session
    credit: Credit


class BoardVersion(Struct, frozen=True, array_like=True):
    """How far a board is held."""

    owner: NodeId
    boot: Boot
    version: int


class Versions(Struct, frozen=True, array_like=True, tag=35):
    """All board versions that a peer holds of the owners in `span`. `reply` asks for the other side's; what lacks may be sent."""

    boards: Annotated[tuple[BoardVersion, ...], Meta(max_length=HEADS_MAX)]
    reply: bool
    span: Span = EVERYTHING


class VersionSums(Struct, frozen=True, array_like=True, tag=36):
    """Sums of the board versions that a peer holds, by bucket. Answered with the Versions of those that differ."""

    sums: Sums


class WantBatches(Struct, frozen=True, array_like=True, tag=40):
    """Please send exactly these batches and certificates: this peer's disk has damaged its own."""

    heads: Annotated[tuple[Head, ...], Meta(max_length=WANTED_MAX)]
    certificates: Annotated[tuple[CertificateHash, ...], Meta(max_length=WANTED_MAX)] = ()


class FoundBatches(Struct, frozen=True, array_like=True, tag=41):
    """What of a WantBatches is held here undamaged."""

    batches: Annotated[tuple[Batch, ...], Meta(max_length=WANTED_MAX)]
    certificates: Annotated[tuple[Bytes, ...], Meta(max_length=WANTED_MAX)] = ()


class BucketSums(Struct, frozen=True, array_like=True, tag=42):
    """The fingerprint's buckets at the ledger `ledger`, the last bytes of each. `reply` asks for the other side's."""

    ledger: Digest
    sums: Annotated[tuple[Short, ...], Meta(min_length=BUCKETS, max_length=BUCKETS)]
    reply: bool


class Offer(Struct, frozen=True, array_like=True, tag=50):
    """Shall we be linked? Answered with Accept or Refuse.

    `near`: for the short way, which takes `rtt_us` (0: not known); otherwise so that the mesh stays in one piece. `needy`: who asks
    has hardly any link, or none that is near. `eager`: it wants news at once.
    """

    near: bool
    rtt_us: Microseconds
    needy: bool
    eager: bool


class Accept(Struct, frozen=True, array_like=True, tag=51):
    """We are linked. `eager`: news shall come at once."""

    eager: bool


class Refuse(Struct, frozen=True, array_like=True, tag=52):
    """I have links enough."""


class Drop(Struct, frozen=True, array_like=True, tag=53):
    """We are not linked, or no longer."""


class Sound(Struct, frozen=True, array_like=True, tag=54, gc=False):
    """How far are you? `linked`: the asker holds that there is a link. `away_us`: how far it was the last time, 0: not known."""

    stamp: Annotated[int, Meta(ge=0, lt=2**32)]
    linked: bool
    away_us: Microseconds = 0


class Echo(Struct, frozen=True, array_like=True, tag=55, gc=False):
    """The answer to Sound, and members that may be near to who asked: they are as far from who answers, or near to it."""

    stamp: Annotated[int, Meta(ge=0, lt=2**32)]
    near: Annotated[tuple[NodeId, ...], Meta(max_length=HINTS_MAX)]


class Have(Struct, frozen=True, array_like=True, tag=56, gc=False):
    """I have these items: whoever lacks them may want them (Plumtree §3, IHAVE)."""

    marks: Marks


class Want(Struct, frozen=True, array_like=True, tag=57, gc=False):
    """Give me these items; with `graft`, from now on all news at once (Plumtree §3, GRAFT)."""

    marks: Marks
    graft: bool


class Prune(Struct, frozen=True, array_like=True, tag=58):
    """Others are quicker: from now on only tell me what you have (Plumtree §3, PRUNE)."""


LinkMessage = Offer | Accept | Refuse | Drop | Sound | Echo
SpreadMessage = Have | Want | Prune


class EndNames(Struct, frozen=True, array_like=True, tag=60):
    """The names of all ends that a peer holds. `reply`: it wants what it lacks, and to hear who lacks what it has."""

    names: Annotated[tuple[Digest, ...], Meta(max_length=ENDS_MAX)]
    reply: bool


class Ends(Struct, frozen=True, array_like=True, tag=61):
    """Ends that an admin has signed: news, or what the receiver lacks."""

    ends: Annotated[tuple[SignedEnd, ...], Meta(max_length=ENDS_MAX)]


LedgerMessage = Heads | HeadSums | More
BoardMessage = Versions | VersionSums
RepairMessage = WantBatches | FoundBatches | BucketSums
EndMessage = EndNames | Ends
ProbeMessage = Ping | Ack | PingRequest | Nack | Knock | Open
RosterMessage = RosterPage | RosterSums | RosterMarks
NewsMessage = Gossip | Batches | Boards | LinkMessage | SpreadMessage
Message = ProbeMessage | RosterMessage | NewsMessage | LedgerMessage | BoardMessage | RepairMessage | EndMessage
