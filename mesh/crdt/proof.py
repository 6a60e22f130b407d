"""A proof of who wrote a value: the signed batches themselves, to be checked with nothing but the mesh's CA certificate.

A proof is text: base64 of a msgpack array between two lines, as in PEM (RFC 7468), so that mail leaves it whole. What it says is
what its batches say; nothing beside them is believed.

Invariant: `check_proof` returns only what follows from the CA, the signatures and the chains; anything else is refused, by name.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec import Struct

from mesh.crdt.apart import check_apart
from mesh.crdt.apply import sibling_of
from mesh.crdt.batch import SEMANTICS, Batch, Change, Kind, OpenBatch, open_batch
from mesh.crdt.cell import Sibling, ranked, shown
from mesh.crdt.fates import keys_of
from mesh.errors import MalformedMessage
from mesh.ids import CertificateHash, Dot, MeshId, RecordId, WriterId, short
from mesh.security.trust import Certificate, Checker

DOMAIN = "chaos-mesh/proof/1"
BEGIN, END = "-----BEGIN CHAOS MESH PROOF-----", "-----END CHAOS MESH PROOF-----"
LINE_CHARACTERS = 64
PROOF_BYTES_MAX = 16 * 1024 * 1024
CHAIN_BYTES_MAX = (
    1024 * 1024
)  # Of batches behind the value, so that it can be mailed; a longer chain is cut, which the check says.
BATCHES_MAX = 100_000


class Proof(Struct, frozen=True, array_like=True):
    """What travels. `live` names the changes that the field shows; `batches` hold them, `replaced` what they were made over.

    `chain` continues the chains of their writers, each without a gap, as far as the maker went. `between` shows that changes of one
    writer lie on different branches of it.
    """

    domain: str
    mesh: MeshId
    record: RecordId
    field: str
    live: tuple[Dot, ...]
    batches: tuple[Batch, ...]
    certificates: tuple[bytes, ...]
    replaced: tuple[Batch, ...] = ()
    chain: tuple[Batch, ...] = ()
    between: tuple[Batch, ...] = ()

    @property
    def batches_count(self) -> int:
        """How many batches it holds."""
        return len(self.batches) + len(self.replaced) + len(self.chain) + len(self.between)


class Signed(Struct, frozen=True):
    """One change that holds up: who signed it, in whose name, and what it was made over as far as the proof holds that."""

    sibling: Sibling
    change: Change
    opened: OpenBatch
    node: Certificate
    replaced: tuple["Signed", ...] = ()


class Chain(Struct, frozen=True):
    """A writer's batches `first` to `last` follow on each other. `later`: how many of them are behind the value's own."""

    writer: WriterId
    first: int
    last: int
    later: int


class Verdict(Struct, frozen=True):
    """What was proven. `live` are the field's values, the shown one last; several with different values are a conflict."""

    record: RecordId
    field: str
    live: tuple[Signed, ...]
    chains: tuple[Chain, ...]

    @property
    def shown(self) -> Signed:
        """The value that peers show."""
        return self.live[-1]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Proof).decode
_BODY = re.compile(rf"{BEGIN}\s([A-Za-z0-9+/=\s]*?){END}")


def write_proof(proof: Proof) -> str:
    """A proof as text."""
    body = base64.b64encode(_encode(proof)).decode()
    lines = (body[start : start + LINE_CHARACTERS] for start in range(0, len(body), LINE_CHARACTERS))
    return "\n".join([BEGIN, *lines, END, ""])


def read_proof(text: bytes) -> Proof:
    """The proof in a text, whatever stands around it. Raises MalformedMessage."""
    if len(text) > PROOF_BYTES_MAX:
        raise MalformedMessage(f"a proof of at most {PROOF_BYTES_MAX} bytes was expected, {len(text)} came")
    found = _BODY.search(text.decode("ascii", errors="replace"))
    if found is None:
        raise MalformedMessage(f"a text with the lines {BEGIN} and {END} and base64 between them was expected")
    try:
        raw = base64.b64decode("".join(found[1].split()), validate=True)
        proof = _decode(raw)
    except (binascii.Error, msgspec.MsgspecError, UnicodeError, RecursionError, ValueError, OverflowError) as error:
        raise MalformedMessage(f"the proof is damaged: {error}") from None
    if proof.domain != DOMAIN:
        raise MalformedMessage(f"a proof of version {DOMAIN!r} was expected, {proof.domain[:40]!r} came")
    if proof.batches_count > BATCHES_MAX:
        raise MalformedMessage(f"a proof of at most {BATCHES_MAX} batches was expected")
    return proof


def check_proof(proof: Proof, mesh: MeshId, trust: Checker) -> Verdict:
    """What a proof proves. Raises MalformedMessage, which names what does not hold."""
    if proof.mesh != mesh:
        raise MalformedMessage(f"the proof is of mesh {proof.mesh.hex()}, and the CA is that of mesh {mesh.hex()}")
    if not proof.live or len(set(proof.live)) != len(proof.live):
        raise MalformedMessage("a proof names at least one change, and each of them once")
    certificates = {found.hash: found for found in map(trust.read_certificate, proof.certificates)}
    bench = _Bench(mesh, trust, certificates)
    holders = bench.check_all(proof.batches)
    earlier = bench.check_all(proof.replaced)
    live = [_signed(proof, holders, dot, bench) for dot in proof.live]
    live = [_with_replaced(proof, one, {**holders, **earlier}, bench) for one in live]
    _check_together(live)
    check_apart([one.opened for one in live], map(bench.check, proof.between))
    order = [one.dot for one in ranked(one.sibling for one in live)]
    live.sort(key=lambda one: order.index(one.sibling.dot))
    chains = _check_chains(proof, live, bench)
    assert shown(ranked(one.sibling for one in live)) == live[-1].sibling
    return Verdict(proof.record, proof.field, tuple(live), chains)


Place = tuple[WriterId, int, bytes]


class _Bench:
    """Checks batches one by one: shape, writer, certificate, signature."""

    def __init__(self, mesh: MeshId, trust: Checker, certificates: Mapping[CertificateHash, Certificate]) -> None:
        self._mesh, self._trust, self._certificates = mesh, trust, certificates

    def check_all(self, batches: Iterable[Batch]) -> dict[Place, OpenBatch]:
        """Those batches, by what a dot calls them."""
        found = [self.check(batch) for batch in batches]
        return {(one.content.writer, one.content.number, one.hash[:8]): one for one in found}

    def check(self, batch: Batch) -> OpenBatch:
        """A batch whose node signed it. Its writer is the hash of certificate and era, which `open_batch` checks."""
        opened = open_batch(batch, self._mesh)
        if not self._trust.verify(self.node(opened).key, batch.signature, batch.content):
            raise MalformedMessage(f"{_name(opened)} is not signed by its node: content or signature were altered")
        return opened

    def node(self, opened: OpenBatch) -> Certificate:
        """The node that signed a batch."""
        found = self._certificates.get(opened.content.certificate)
        if found is None:
            raise MalformedMessage(f"the certificate of {_name(opened)} is not in the proof")
        return found


def _signed(proof: Proof, holders: Mapping[Place, OpenBatch], dot: Dot, bench: _Bench) -> Signed:
    opened = holders.get((dot.writer, dot.number, dot.mark))
    if opened is None or not 0 <= dot.index < len(opened.content.changes):
        raise MalformedMessage(f"the change {dot} that the proof names is in none of its batches")
    change = opened.content.changes[dot.index]
    if change.record != proof.record or change.field != proof.field:
        raise MalformedMessage(
            f"the change {dot} is one of {change.record} {change.field!r}, which the proof does not name"
        )
    if change.kind not in (Kind.PUT, Kind.CLEAR):
        raise MalformedMessage(f"the change {dot} gives no value")
    if isinstance(fault := keys_of(opened.content.changes), str):
        raise MalformedMessage(f"{_name(opened)} has no effect at any peer: {fault}")
    return Signed(sibling_of(opened, dot.index), change, opened, bench.node(opened))


def _with_replaced(proof: Proof, one: Signed, known: Mapping[Place, OpenBatch], bench: _Bench) -> Signed:
    named = [dot for dot in one.change.over if (dot.writer, dot.number, dot.mark) in known]
    replaced = tuple(_signed(proof, known, dot, bench) for dot in named)
    return msgspec.structs.replace(one, replaced=replaced)


def _check_together(live: Sequence[Signed]) -> None:
    """Live siblings of one cell: none names another as what it was made over."""
    dots = {one.sibling.dot for one in live}
    if any(not dots.isdisjoint(one.change.over) for one in live):
        raise MalformedMessage("one of the changes that the proof names replaces another: they are not all live")


def _check_chains(proof: Proof, live: Sequence[Signed], bench: _Bench) -> tuple[Chain, ...]:
    """The batches behind the live ones follow on them without a gap, and none of them writes the field again."""
    heads = {
        one.opened.hash: (one.opened, one.opened) for one in live
    }  # What a chain has come to -> what it began with.
    dots = {one.sibling.dot for one in live}
    for batch in proof.chain:
        opened = bench.check(batch)
        before, first = heads.pop(opened.content.previous, (None, None))
        if before is None or first is None or not _follows(opened, before):
            raise MalformedMessage(_loose(opened, [one.opened for one in live]))
        if opened.content.semantics > SEMANTICS:
            raise MalformedMessage(f"{_name(opened)} is written under rules that this version cannot read")
        for change in opened.content.changes:
            same = change.record == proof.record and change.field == proof.field
            if same or (
                change.record == proof.record and not dots.isdisjoint(change.over) and change.kind is not Kind.BURY
            ):
                raise MalformedMessage(f"{_name(opened)}, which the proof holds itself, writes the field again")
        heads[opened.hash] = opened, first
    lasts = {first.hash: last.content.number for last, first in heads.values()}
    return tuple(_chain(one.opened, lasts[one.opened.hash]) for one in live)


def _follows(opened: OpenBatch, before: OpenBatch) -> bool:
    return (opened.content.writer, opened.content.number) == (before.content.writer, before.content.number + 1)


def _loose(opened: OpenBatch, live: Sequence[OpenBatch]) -> str:
    """What is wrong with a batch that follows on none of the chains."""
    if all(one.content.writer != opened.content.writer for one in live):
        return f"{_name(opened)} continues no chain of the proof"
    return f"{_name(opened)} does not follow on the batch before it in the proof"


def _chain(first: OpenBatch, last: int) -> Chain:
    number = first.content.number
    return Chain(first.content.writer, number, last, last - number)


def _name(opened: OpenBatch) -> str:
    return f"batch {opened.content.number} of writer {short(opened.content.writer)}"
