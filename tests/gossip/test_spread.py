"""Spread: what is new leaves at once, to a bounded number of peers."""

import pytest

from mesh.crdt.batch import OpenBatch, open_batch
from mesh.crdt.board import SignedDelta
from mesh.crdt.effects import Stocked
from mesh.crdt.replica import MemoryReplica, Table, Write
from mesh.effects import GossipEffect, Send, Stream
from mesh.gossip.spread import INLINE_BYTES, PARCEL_BYTES, Fresh, Spread
from mesh.ids import RecordId
from mesh.messages import Batches, Boards
from sim.trust import certificate_for
from tests.crdt.site import MESH, Pen, put
from tests.gossip.circle import CONFIG, accusation, address, node, rng, roster

RECORD = RecordId("unit", "BTF/DIPOLE/1")
MANY = [f"n{number}" for number in range(30)]


def spread(*others: str, seed: int = 1) -> Spread:
    pen, disk = Pen(), MemoryReplica()
    disk.write([Write(Table.CERTIFICATES, pen.certificate, certificate_for("x"))])
    return Spread(roster("ada", *others), CONFIG, rng(seed), disk)


def opened(pen: Pen, size: int = 1) -> OpenBatch:
    return open_batch(pen.next(put(RECORD, "current", "x" * size)), MESH)


def targets(effects: list[GossipEffect]) -> list[bytes]:
    return [effect.to for effect in effects if isinstance(effect, Send | Stream)]


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 30])
def test_the_origin_pushes_to_all_or_to_its_fan_out(count: int) -> None:
    found = targets(spread(*MANY[:count]).handle(Stocked((opened(Pen()),), None), 0.0))
    assert len(set(found)) == len(found) == min(count, CONFIG.push_fanout)


@pytest.mark.parametrize(("count", "relayed"), [(2, 0), (8, 0), (9, 4), (30, 4)])
def test_a_receiver_relays_only_where_the_origin_cannot_have_reached_all(count: int, relayed: int) -> None:
    """`count` is all members besides this node; one of them is the source."""
    core = spread(*MANY[:count])
    found = targets(core.handle(Stocked((opened(Pen()),), node(MANY[0])), 0.0))
    assert len(set(found)) == len(found) == relayed
    assert node(MANY[0]) not in found


def test_who_is_down_gets_nothing() -> None:
    pen, disk = Pen(), MemoryReplica()
    known = roster("ada", "bob", "cyd")
    known.hear(accusation("bob"), 0.0)
    core = Spread(known, CONFIG, rng(), disk)
    assert targets(core.handle(Stocked((opened(pen),), None), 0.0)) == [node("cyd")]


def test_small_news_travels_inline_and_large_by_stream() -> None:
    pen = Pen()
    (small,) = spread("bob").handle(Stocked((opened(pen),), None), 0.0)
    (large,) = spread("bob").handle(Stocked((opened(pen, INLINE_BYTES),), None), 0.0)
    assert (type(small), type(large)) == (Send, Stream)
    assert small.at == address("bob")


def test_a_writers_first_batch_brings_its_certificate_and_the_next_does_not() -> None:
    pen = Pen()
    sent = [spread("bob").handle(Stocked((opened(pen),), None), 0.0)[0].message for _ in range(2)]
    assert [message.certificates for message in sent] == [(certificate_for("x"),), ()]


def test_much_is_cut_into_parcels_that_lose_nothing() -> None:
    pen = Pen()
    batches = tuple(opened(pen, 60_000) for _ in range(12))
    sent = [effect.message for effect in spread("bob").handle(Stocked(batches, None), 0.0)]
    assert [batch for message in sent for batch in message.batches] == [o.batch for o in batches]
    assert all(sum(len(batch.content) for batch in message.batches) <= PARCEL_BYTES for message in sent)


@pytest.mark.parametrize(("size", "kind"), [(10, Send), (INLINE_BYTES + 1, Stream)])
def test_a_boards_delta_goes_the_same_way(size: int, kind: type) -> None:
    signed = SignedDelta(bytes(size), b"")
    assert spread("bob").handle(Fresh(signed, None), 0.0) == [kind(node("bob"), address("bob"), Boards((signed,)))]
    assert spread("bob").handle(Fresh(signed, node("bob")), 0.0) == []
    assert isinstance(spread("bob").handle(Stocked((opened(Pen()),), None), 0.0)[0].message, Batches)


def test_spread_waits_for_no_moment() -> None:
    assert spread("bob").deadline() == float("inf")
