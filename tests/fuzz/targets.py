"""What is fuzzed: everything that takes bytes from a stranger. One target is one promise, for any bytes at all.

Invariant: a target returns, or raises what is to be reported; MalformedMessage is an answer and no report.
"""

import base64
from collections.abc import Callable
from contextlib import suppress
from random import Random

import msgspec

from mesh.crdt.batch import SEMANTICS, Batch, decode_batch, encode_batch, encode_content, open_batch
from mesh.crdt.board import DOMAIN, Delta, Item, SignedDelta, encode_delta, read_delta
from mesh.crdt.proof import BEGIN, END, Proof, check_proof, read_proof, write_proof
from mesh.crdt.proof import DOMAIN as DOMAIN_OF_PROOF
from mesh.crdt.verify import verify_replica
from mesh.errors import MalformedMessage
from mesh.ids import Boot, NodeId, RecordId
from mesh.messages import Batches, Boards
from mesh.wire import decode_frame, decode_packet, encode_frame, encode_packet
from sim.trust import CheapTrust, certificate_for
from tests.crdt.explorer import world
from tests.crdt.site import MESH, Pen, Site, put
from tests.fuzz.doors import DOORS, door_corpus
from tests.fuzz.mutation import mutated

NODE = NodeId(b"a node that says")
PEN = Pen()
RECORD = RecordId("unit", "ONE")
FIRST = PEN.next(put(RECORD, "f", 0))
ENVELOPE = 9  # Elements of a content before its stamp: what is fuzzed behind them is the author's own.


def frame(raw: bytes) -> None:
    """A frame is a message that is said again the same way, or malformed."""
    said = encode_frame(decode_frame(raw))
    assert encode_frame(decode_frame(said)) == said


def packet(raw: bytes) -> None:
    """A packet is messages that are said again the same way, or malformed."""
    found = decode_packet(raw)
    said = encode_packet(found.sender, found.messages)
    again = decode_packet(said)
    assert encode_packet(again.sender, again.messages) == said


def content(raw: bytes) -> None:
    """A batch's content has one encoding, or is malformed."""
    opened = open_batch(Batch(raw, b""), MESH)
    assert opened.content.semantics > SEMANTICS or encode_content(opened.content) == raw


def row(raw: bytes) -> None:
    """A row of the log is a batch, or malformed."""
    assert decode_batch(encode_batch(decode_batch(raw))) == decode_batch(raw)


def delta(raw: bytes) -> None:
    """A board's delta leads somewhere, or is malformed."""
    found = read_delta(SignedDelta(raw, b""), MESH)
    assert found.start < found.version


def ledger(raw: bytes) -> None:
    """A ledger lives on after whatever a writer signs behind a good batch, and is what its log says."""
    try:
        said = msgspec.msgpack.decode(raw, type=list)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise MalformedMessage(str(error)) from None
    second = PEN.draft(number=2, previous=PEN.head.hash)
    site = Site("a")
    site.merge(FIRST, PEN.sign_bytes(msgspec.msgpack.encode([*msgspec.structs.astuple(second)[:ENVELOPE], *said])))
    assert verify_replica(site.disk, MESH, CheapTrust("a")).is_whole


def proof(raw: bytes) -> None:
    """A proof is checked, or malformed: whatever stands in its armour."""
    text = b"\n".join([BEGIN.encode(), base64.b64encode(raw), END.encode()])
    for given in (text, raw):
        with suppress(MalformedMessage):
            check_proof(read_proof(given), MESH, CheapTrust("a"))


CORE: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (frame, packet, content, row, delta, ledger, proof)
}
TARGETS = {**CORE, **DOORS}


def corpus(name: str) -> list[bytes]:
    """What an honest peer says to a target: where the fuzzers begin."""
    if name in DOORS:
        return door_corpus(name)
    batches = tuple(batch for chain in world(0).values() for batch in chain)
    board = encode_delta(Delta(DOMAIN, MESH, NODE, Boot(1, 2), 0, 1, (Item("unit/x", b"\xc3", 1.5),)))
    messages = [Batches(batches[:3], (b"a certificate",), False), Boards((SignedDelta(board, b"signed"),))]
    changes = put(RECORD, "f", 1, PEN.dot()), put(RECORD, "g", {"text": [1.5, None]})
    match name:
        case "frame":
            return [encode_frame(message) for message in messages]
        case "packet":
            return [encode_packet(NODE, tuple(messages))]
        case "content":
            return [batch.content for batch in batches]
        case "row":
            return [encode_batch(batch) for batch in batches]
        case "delta":
            return [board]
        case "proof":
            return [_honest_proof()]
        case _:
            said = PEN.draft(stamp=9, changes=changes, after=(PEN.head,), about={"reason": "why"})
            return [msgspec.msgpack.encode(msgspec.structs.astuple(said)[ENVELOPE:])]


def _honest_proof() -> bytes:
    pen = Pen()
    first = pen.next(put(RECORD, "f", 0))
    made = Proof(DOMAIN_OF_PROOF, MESH, RECORD, "f", (pen.dot(),), (first,), (certificate_for("x"),), (), (pen.next(),))
    return base64.b64decode("".join(write_proof(made).splitlines()[1:-1]))


def once(name: str, raw: bytes) -> None:
    """Give `raw` to a target. Raises what breaks its promise."""
    with suppress(MalformedMessage):
        TARGETS[name](raw)


def loop(name: str, seed: int, rounds: int) -> None:
    """`rounds` mutations of what honest peers say. Raises AssertionError that holds the bytes."""
    rng = Random(f"{name} {seed}")
    seeds = corpus(name)
    for _ in range(rounds):
        raw = mutated(rng, rng.choice(seeds))
        try:
            once(name, raw)
        except Exception as fault:
            raise AssertionError(f"{name} breaks its promise on {raw.hex()}: {fault!r}") from fault
