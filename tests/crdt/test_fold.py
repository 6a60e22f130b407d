"""What enters the log: only what its writer signed, in the order of its chain.

Invariant: whatever a peer sends, the log holds one unbroken chain per writer, and nobody else is held up.
"""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.config import LedgerConfig
from mesh.crdt.batch import Batch, decode_batch, encode_batch, encode_content, open_batch
from mesh.crdt.compose import Put
from mesh.crdt.effects import Emit, Gap, LedgerEffect
from mesh.crdt.events import Merge
from mesh.crdt.replica import Table, Write
from mesh.ids import Head, MeshId, RecordId
from tests.crdt.site import MESH, STRANGER, Pen, Site, put

RECORD = RecordId("unit", "BTF/DIPOLE/1")
PER_WRITER_MAX = LedgerConfig().held_per_writer_max


def names(said: list[LedgerEffect]) -> list[str]:
    return [effect.name for effect in said if isinstance(effect, Emit)]


def test_a_forged_signature_is_refused_and_told() -> None:
    ada, pen = Site("a"), Pen()
    batch = pen.next(put(RECORD, "current", 1))
    (said,) = ada.merge(Batch(batch.content, bytes(16)))
    assert (said.name, said.about["node"]) == ("peer.malformed", STRANGER.hex())
    assert "not signed by its writer" in said.about["reason"]
    assert ada.log() == []


@given(st.integers(1, 6), st.integers(0, 5), st.booleans())
def test_a_parcel_counts_up_to_the_first_batch_that_is_forged_or_broken(count: int, at: int, forged: bool) -> None:
    ada, pens = Site("a"), (Pen("b"), Pen("c"))
    parcel = [pens[number % 2].next(put(RECORD, f"f{number}", number)) for number in range(count)]
    good = parcel[:at]
    if at < count:
        parcel[at] = Batch(parcel[at].content, bytes(16)) if forged else Batch(b"nonsense", parcel[at].signature)
    assert names(ada.merge(*parcel)) == (["peer.malformed"] if at < count else [])
    assert sorted(batch.content for batch in ada.log()) == sorted(batch.content for batch in good)


@given(st.integers(0), st.integers(1, 255), st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_byte_flipped_anywhere_is_refused(position: int, flip: int, in_signature: bool) -> None:
    ada, pen = Site("a"), Pen()
    batch = pen.next(put(RECORD, "current", {"a": [1, "x"]}), about={"reason": "why"})
    raw = bytearray(batch.signature if in_signature else batch.content)
    raw[position % len(raw)] ^= flip
    forged = Batch(batch.content, bytes(raw)) if in_signature else Batch(bytes(raw), batch.signature)
    assert names(ada.merge(forged)) in (["peer.malformed"], [])  # A changed number is a gap.
    assert ada.log() == []
    ada.merge(batch)
    assert ada.fields(RECORD) == {"current": {"a": [1, "x"]}}


@given(st.binary(max_size=60), st.binary(max_size=100))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_refused(content: bytes, signature: bytes) -> None:
    ada = Site("a")
    assert names(ada.merge(Batch(content, signature))) == ["peer.malformed"]
    assert ada.log() == []


def test_a_fault_ends_a_parcel_and_what_came_before_it_stays() -> None:
    ada, pen = Site("a"), Pen()
    first, second = pen.next(put(RECORD, "current", 1)), pen.next(put(RECORD, "current", 2))
    ada.merge(first, Batch(second.content, b""), second)
    assert ada.heads() == {pen.writer: 1}


def test_an_unknown_certificate_is_refused() -> None:
    ada, pen = Site("a"), Pen()
    batch = pen.next(put(RECORD, "current", 1))
    assert "did not come with its batch" in ada.merge(batch, certificates="")[0].about["reason"]
    ada.merge(batch, certificates="x")
    assert ada.merge(pen.next(put(RECORD, "current", 2)), certificates="") != []
    assert ada.fields(RECORD) == {"current": 2}


def test_what_is_no_certificate_is_refused() -> None:
    ada = Site("a")
    assert names(ada.tell(Merge(STRANGER, (), (b"not one",)))) == ["peer.malformed"]
    assert ada.waiting == []


@pytest.mark.parametrize(
    "given",
    [
        {"mesh": MeshId(b"a foreign mesh!!")},
        {"domain": "chaos-mesh/board/1"},
        {"writer": b"not the hash!!!!"},
        {"era": b"another era!!!!!"},
        {"era": b"short"},
        {"certificate": bytes(32)},
        {"previous": b"short"},
        {"number": 0},
        {"number": -1},
        {"number": 2**63},
        {"stamp": -1},
        {"previous": bytes(31) + b"x"},
        {"after": (Head(b"w" * 16, 1, bytes(32)),) * 257},
        {"changes": (put(RECORD, "current", 1),) * 257},
        {"about": {"long": "x" * 65_536}},
    ],
)
def test_a_signed_batch_out_of_shape_is_refused(given: dict[str, object]) -> None:
    ada, pen = Site("a"), Pen()
    assert names(ada.merge(pen.sign(pen.draft(**given)))) == ["peer.malformed"]
    assert ada.log() == []


def test_another_encoding_of_the_same_content_is_refused() -> None:
    ada, pen = Site("a"), Pen()
    content = pen.draft(about={"b": "2", "a": "1"})
    shuffled = msgspec.msgpack.encode(content)
    assert shuffled != encode_content(content)
    assert "canonical" in ada.merge(pen.sign_bytes(shuffled))[0].about["reason"]


def test_a_batch_signed_by_another_member_is_refused() -> None:
    ada, pen, eve = Site("a"), Pen("x"), Pen("c")
    ada.merge(pen.next(put(RECORD, "current", 1)))
    pen.next(put(RECORD, "current", 2))
    assert names(ada.merge(eve.sign(pen.content))) == ["peer.malformed"]


def branches(length: int) -> tuple[list[Batch], list[Batch]]:
    """Two chains of one writer: a disk was copied."""
    one, two = Pen(), Pen()
    mine = [one.next(put(RECORD, "current", number)) for number in range(length)]
    yours = [two.next(put(RECORD, "voltage", number)) for number in range(length)]
    return mine, yours


@pytest.mark.parametrize("at", [0, 1, 2])
def test_two_contents_with_one_number_are_told_once_and_both_are_kept(at: int) -> None:
    ada, pen = Site("a"), Pen()
    common = [pen.next(put(RECORD, "current", number)) for number in range(at)]
    other = pen.copy()
    mine = [pen.next(put(RECORD, "current", number + 10)) for number in range(3)]
    yours = [other.next(put(RECORD, "voltage", number)) for number in range(3)]
    ada.merge(*common, *mine)
    assert names(ada.merge(yours[0])) == ["ledger.fork"]
    assert names(ada.merge(*yours)) == []
    assert ada.fields(RECORD) == {"current": 12, "voltage": 2}
    assert {open_batch(batch, MESH).hash for batch in ada.log()} == {
        open_batch(batch, MESH).hash for batch in (*common, *mine, *yours)
    }
    assert ada.merge(*mine, *yours, *common) == []


def test_a_batch_of_a_branch_that_is_not_here_asks_for_what_lies_between() -> None:
    ada = Site("a")
    mine, yours = branches(3)
    ada.merge(*mine[:2])
    assert ada.merge(yours[2]) == [Gap(STRANGER)]
    assert ada.log() == mine[:2]


def test_nobody_can_cry_fork_without_the_writers_key() -> None:
    ada = Site("a")
    mine, yours = branches(2)
    ada.merge(*mine)
    assert names(ada.merge(Batch(yours[0].content, bytes(16)))) == ["peer.malformed"]
    assert not ada.ledger.durable.branches


def test_another_signature_of_the_same_content_is_no_fork() -> None:
    ada, pen = Site("a"), Pen()
    batch = pen.next(put(RECORD, "current", 1))
    ada.merge(batch)
    assert ada.merge(Batch(batch.content, b"altered")) == []


def test_a_writer_whose_batches_wait_may_not_fill_the_disk() -> None:
    ada, pen, other = Site("a"), Pen("x"), Pen("c")
    other.next()
    chain = [pen.next(after=(other.head,)), *(pen.next() for _ in range(PER_WRITER_MAX + 2))]
    said = ada.merge(*chain)
    assert ada.heads()[pen.writer] == PER_WRITER_MAX
    assert names(said).count("ledger.full") == 1
    assert Gap(STRANGER) in said
    ada.merge(Pen("c").next())
    assert ada.ledger.durable.lines[pen.writer].applied.number == PER_WRITER_MAX
    ada.merge(*chain)
    assert ada.heads()[pen.writer] == PER_WRITER_MAX + 3


def test_a_log_entry_that_cannot_be_read_holds_up_its_writer_and_stops_nobody() -> None:
    """As when it was kept under older rules, and is nonsense under those of today."""
    ada, pen, other = Site("a"), Pen("x"), Pen("c")
    other.next()
    ada.merge(pen.next(put(RECORD, "current", 1), after=(other.head,)))
    key = pen.writer + (1).to_bytes(8, "big")
    broken = Batch(b"nonsense", decode_batch(ada.disk.get(Table.BATCHES, key)).signature)
    ada.disk.write([Write(Table.BATCHES, key, encode_batch(broken))])
    ada.open()
    for _ in range(2):
        ada.settle()
        ada.merge(Pen("c").next())
        ada.write(Put(RECORD, "voltage", 2))
        assert ada.fields(RECORD) == {"voltage": 2}
        assert ada.fate(pen.head).startswith("held: the content of a batch cannot be read")
        ada.open()
