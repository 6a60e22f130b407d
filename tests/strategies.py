"""What Hypothesis makes for the tests of the pure core: everything that peers may say, within its limits.

Invariant: a strategy yields only what an honest peer could say; hostile bytes are each test's own business.
"""

from typing import TypeVar

from hypothesis import strategies as st

from mesh.crdt.batch import Batch
from mesh.crdt.board import SignedDelta
from mesh.crdt.ends import SignedEnd
from mesh.crdt.fingerprint import BUCKETS, SHORT_BYTES
from mesh.crdt.sums import Span
from mesh.ids import Address, BatchHash, Boot, Dot, Head, NodeId, RecordId, WriterId
from mesh.messages import (
    Accept,
    Accusation,
    Ack,
    Batches,
    Boards,
    BoardVersion,
    BucketSums,
    Claim,
    Digests,
    Drop,
    Echo,
    EndNames,
    Ends,
    FoundBatches,
    Gossip,
    Have,
    Heads,
    HeadSums,
    Knock,
    Message,
    More,
    Nack,
    Offer,
    Open,
    Ping,
    PingRequest,
    Prune,
    Refuse,
    RosterMarks,
    RosterPage,
    RosterSums,
    SignedClaim,
    Sound,
    Standing,
    Versions,
    VersionSums,
    Want,
    WantBatches,
)

T = TypeVar("T")

numbers = st.integers(0, 2**62 - 1)
nodes = st.binary(min_size=16, max_size=16).map(NodeId)
writers = st.binary(min_size=16, max_size=16).map(WriterId)
hashes = st.binary(min_size=32, max_size=32).map(BatchHash)
texts = st.text(max_size=20)
addresses = st.builds(Address, texts, st.integers(0, 65535))
boots = st.builds(Boot, numbers, st.integers(0, 2**64 - 1))
placed = st.integers(1, 2**63 - 1)
heads = st.builds(Head, writers, placed, hashes)
dots = st.builds(Dot, writers, placed, st.integers(0, 255), st.binary(min_size=8, max_size=8))
records = st.builds(RecordId, texts, texts)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)

claims = st.builds(
    Claim, nodes, texts, st.binary(max_size=91), addresses, texts, boots, numbers, st.sampled_from(Standing)
)
signed_claims = st.builds(SignedClaim, st.binary(max_size=99), st.binary(max_size=72))
shorts = st.binary(min_size=SHORT_BYTES, max_size=SHORT_BYTES)
digests = st.builds(Digests, *(st.binary(min_size=16, max_size=16),) * 3, shorts)
bucket_sums = shorts.map(lambda one: (one,) * BUCKETS)
accusations = st.builds(
    Accusation, nodes, boots, numbers, st.sampled_from(Standing), nodes, st.lists(nodes, max_size=8).map(tuple)
)


def _some(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(strategy, max_size=5).map(tuple)


news = _some(signed_claims | accusations)
batches = st.builds(Batch, st.binary(max_size=200), st.binary(max_size=80))
deltas = st.builds(SignedDelta, st.binary(max_size=200), st.binary(max_size=80))
sessions = st.integers(0, 2**32 - 1)
allowances = st.integers(0, 16)
grains = st.sampled_from([1, 16, 256])
spans = st.builds(Span, grains, st.binary(max_size=8), st.just(b"") | writers, st.just(b"") | writers)
sums = grains.flatmap(lambda of: st.binary(min_size=8 * of, max_size=8 * of))
stamps = st.integers(0, 2**32 - 1)
marks = _some(st.binary(min_size=8, max_size=8))

MESSAGES: dict[type[Message], st.SearchStrategy[Message]] = {
    Ping: st.builds(Ping, numbers, st.binary(min_size=8, max_size=8), news),
    Ack: st.builds(Ack, numbers, nodes, st.none() | digests, news),
    Nack: st.builds(Nack, numbers, nodes),
    Knock: st.builds(Knock, numbers),
    Open: st.builds(Open, numbers),
    PingRequest: st.builds(PingRequest, numbers, nodes, addresses, news),
    Gossip: st.builds(Gossip, news),
    RosterPage: st.builds(RosterPage, _some(signed_claims), _some(accusations), _some(nodes)),
    RosterSums: st.builds(RosterSums, sums),
    RosterMarks: st.builds(RosterMarks, spans, st.binary(max_size=99)),
    Heads: st.builds(Heads, _some(heads), st.booleans(), spans, sessions, allowances),
    HeadSums: st.builds(HeadSums, sums, sessions, allowances),
    More: st.builds(More, sessions, allowances),
    Batches: st.builds(Batches, _some(batches), _some(st.binary(max_size=99)), st.booleans(), sessions),
    Versions: st.builds(Versions, _some(st.builds(BoardVersion, nodes, boots, numbers)), st.booleans(), spans),
    VersionSums: st.builds(VersionSums, sums),
    Boards: st.builds(Boards, _some(deltas), st.booleans(), st.booleans()),
    Offer: st.builds(Offer, st.booleans(), stamps, st.booleans(), st.booleans()),
    Accept: st.builds(Accept, st.booleans()),
    Refuse: st.builds(Refuse),
    Drop: st.builds(Drop),
    Sound: st.builds(Sound, stamps, st.booleans()),
    Echo: st.builds(Echo, stamps, st.lists(nodes, max_size=4).map(tuple)),
    Have: st.builds(Have, marks),
    Want: st.builds(Want, marks, st.booleans()),
    Prune: st.builds(Prune),
    WantBatches: st.builds(WantBatches, _some(heads), _some(hashes)),
    FoundBatches: st.builds(FoundBatches, _some(batches), _some(st.binary(max_size=99))),
    EndNames: st.builds(EndNames, _some(st.binary(min_size=16, max_size=16)), st.booleans()),
    Ends: st.builds(Ends, _some(st.builds(SignedEnd, st.binary(max_size=200), st.binary(max_size=80)))),
    BucketSums: st.builds(BucketSums, st.binary(min_size=16, max_size=16), bucket_sums, st.booleans()),
}
messages = st.one_of(*MESSAGES.values())
