"""A proof holds up by itself, and nothing that was altered does."""

import base64

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.crdt.batch import Batch, Kind
from mesh.crdt.proof import BEGIN, DOMAIN, END, Proof, Verdict, check_proof, read_proof, write_proof
from mesh.errors import MalformedMessage
from mesh.ids import Dot, MeshId, RecordId
from sim.trust import CheapTrust, certificate_for
from tests.crdt.site import MESH, Pen, put

RECORD = RecordId("unit", "BTF/DIPOLE/1")
TRUST = CheapTrust("a")


def proof(**given: object) -> Proof:
    """Pen b replaced what pen c wrote, then wrote something else; all of it is in the proof."""
    old, pen = Pen("c"), Pen("b")
    first = old.next(put(RECORD, "current", 1))
    second = pen.next(put(RECORD, "voltage", 0), put(RECORD, "current", 2, old.dot()), about={"reason": "why"})
    live = pen.dot(1)
    chain = (pen.next(), pen.next(put(RECORD, "phase", 1)))
    certificates = (certificate_for("b"), certificate_for("c"))
    made = Proof(DOMAIN, MESH, RECORD, "current", (live,), (second,), certificates, (first,), chain)
    return msgspec.structs.replace(made, **given)


def check(made: Proof) -> Verdict:
    return check_proof(read_proof(write_proof(made).encode()), MESH, TRUST)


def test_a_proof_tells_who_what_why_and_over_what() -> None:
    verdict = check(proof())
    (one,) = verdict.live
    assert (one.sibling.value, one.node.name, one.opened.content.about) == (b"\x02", "b", {"reason": "why"})
    assert [old.sibling.value for old in one.replaced] == [b"\x01"]
    assert [(chain.first, chain.last, chain.later) for chain in verdict.chains] == [(1, 3, 2)]
    short = check(proof(replaced=(), chain=()))
    assert short.shown.replaced == ()
    assert short.shown.change.over == one.change.over


def test_a_conflict_is_proven_whole_with_what_is_shown_last() -> None:
    one, two = Pen("b"), Pen("c")
    batches = (one.next(put(RECORD, "current", 1), stamp=9), two.next(put(RECORD, "current", 2), stamp=5))
    verdict = check(proof(live=(one.dot(), two.dot()), batches=batches, replaced=(), chain=()))
    assert [signed.sibling.value for signed in verdict.live] == [b"\x02", b"\x01"]
    assert verdict.shown.node.name == "b"


def test_mail_may_stand_around_it_and_break_its_lines_anew() -> None:
    text = write_proof(proof())
    assert max(map(len, text.splitlines())) <= 64
    mailed = "Dear Eva,\r\n\r\n" + text.replace("\n", "\r\n") + "\r\nYours, Tom\r\n"
    assert read_proof(mailed.encode()) == proof()


def altered(name: str) -> Proof:
    """A proof with one thing in it that does not hold."""
    good, stranger = proof(), Pen("d")
    (batch,) = good.batches
    (dot,) = good.live
    foreign = stranger.next(put(RECORD, "current", 9))
    twice = Pen("b").next(put(RECORD, "current", 1), put(RECORD, "current", 2))
    change = msgspec.structs.replace
    raw = batch.content.replace(b"why", b"who")
    return {
        "content": change(good, batches=(Batch(raw, batch.signature),)),
        "signature": change(good, batches=(Batch(batch.content, bytes(32)),)),
        "certificate": change(good, certificates=(certificate_for("c"),)),
        "no certificate": change(good, certificates=(b"nonsense",)),
        "mesh": change(good, mesh=MeshId(b"another mesh....")),
        "version": change(good, domain="chaos-mesh/proof/2"),
        "index": change(good, live=(change(dot, index=7),)),
        "negative": change(good, live=(change(dot, index=-1),)),
        "other field": change(good, live=(change(dot, index=0),)),
        "field": change(good, field="voltage"),
        "record": change(good, record=RecordId("unit", "x")),
        "nothing": change(good, live=()),
        "batch": change(good, batches=(), replaced=()),
        "gap": change(good, chain=good.chain[1:]),
        "foreign chain": change(good, chain=(foreign,), certificates=(*good.certificates, certificate_for("d"))),
        "both": change(good, live=(*good.live, _first()), replaced=()),
        "void": change(good, batches=(twice,), live=(_dot(twice, 1),), chain=()),
    }[name]


def _first() -> Dot:
    pen = Pen("c")
    pen.next(put(RECORD, "current", 1))
    return pen.dot()


def _dot(batch: Batch, index: int) -> Dot:
    pen = Pen("b")
    pen.next(put(RECORD, "current", 1), put(RECORD, "current", 2))
    return pen.dot(index)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("content", "altered"),
        ("signature", "not signed by its node"),
        ("certificate", "certificate of batch 1"),
        ("no certificate", "certificate"),
        ("mesh", "is of mesh"),
        ("version", "of version"),
        ("index", "in none of its batches"),
        ("negative", "in none of its batches"),
        ("other field", "which the proof does not name"),
        ("field", "which the proof does not name"),
        ("record", "which the proof does not name"),
        ("nothing", "at least one"),
        ("batch", "in none of its batches"),
        ("gap", "does not follow on"),
        ("foreign chain", "continues no chain"),
        ("both", "in none of its batches"),
        ("void", "no effect at any peer"),
    ],
)
def test_what_does_not_hold_is_named(name: str, said: str) -> None:
    with pytest.raises(MalformedMessage, match=said):
        check(altered(name))


def test_siblings_of_which_one_replaces_the_other_are_not_both_live() -> None:
    old, pen = Pen("c"), Pen("b")
    batches = old.next(put(RECORD, "current", 1)), pen.next(put(RECORD, "current", 2, old.dot()))
    with pytest.raises(MalformedMessage, match="not all live"):
        check(proof(live=(old.dot(), pen.dot()), batches=batches, replaced=(), chain=()))


def test_a_chain_that_writes_the_field_again_is_no_proof_of_the_old_value() -> None:
    pen = Pen("b")
    first = pen.next(put(RECORD, "current", 1))
    live = pen.dot()
    for later in (put(RECORD, "current", 2), put(RECORD, "current", 2, live)):
        again = Pen("b")
        again.next(put(RECORD, "current", 1))
        with pytest.raises(MalformedMessage, match="writes the field again"):
            check(proof(live=(live,), batches=(first,), replaced=(), chain=(again.next(later),)))


def test_a_clear_is_proven_and_a_bury_is_not_a_value() -> None:
    pen = Pen("b")
    cleared = pen.next(msgspec.structs.replace(put(RECORD, "current", 1), kind=Kind.CLEAR, value=b""))
    verdict = check(proof(live=(pen.dot(),), batches=(cleared,), replaced=(), chain=()))
    assert verdict.shown.sibling.value == b""
    pen = Pen("b")
    buried = pen.next(msgspec.structs.replace(put(RECORD, "", 1), kind=Kind.BURY, value=b""))
    with pytest.raises(MalformedMessage, match="gives no value"):
        check(proof(field="", live=(pen.dot(),), batches=(buried,), replaced=(), chain=()))


@given(st.integers(0), st.integers(1, 255))
@settings(max_examples=300, deadline=None)
def test_a_byte_flipped_anywhere_proves_nothing_else(position: int, flip: int) -> None:
    good = proof()
    raw = bytearray(msgspec.msgpack.encode(good))
    raw[position % len(raw)] ^= flip
    text = f"{BEGIN}\n{base64.b64encode(raw).decode()}\n{END}\n"
    try:
        verdict = check_proof(read_proof(text.encode()), MESH, TRUST)
    except MalformedMessage:
        return
    assert verdict == check(good)  # Such as a bit of the text that nothing depends on.


@given(st.binary(max_size=300), st.booleans())
@settings(max_examples=200, deadline=None)
def test_bytes_that_are_no_proof_are_refused(raw: bytes, armoured: bool) -> None:
    text = f"{BEGIN}\n{base64.b64encode(raw).decode()}\n{END}\n".encode() if armoured else raw
    with pytest.raises(MalformedMessage):
        check_proof(read_proof(text), MESH, TRUST)
