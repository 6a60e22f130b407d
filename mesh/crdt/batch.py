"""A batch: the signed, hash-chained unit of replication and of visibility (DESIGN §5).

Invariant: content bytes are stored and forwarded verbatim; hash, chain and signature all speak of those bytes. The shape below
is final: a signed log cannot be migrated. What a later version wants to say goes into `about` or a higher `semantics`.
"""

from enum import IntEnum
from functools import lru_cache
from hashlib import sha256

import msgspec
from msgspec import Struct

from mesh.errors import MalformedMessage
from mesh.ids import NO_BATCH, BatchHash, CertificateHash, Dot, Head, MeshId, RecordId, WriterId

DOMAIN = "chaos-mesh/batch/1"  # Signed bytes say what they are, so that no signature can be reused elsewhere.
WRITER_DOMAIN = b"chaos-mesh/writer/1"
SEMANTICS = 1  # The newest rules this code knows. A batch under newer rules is held, kept and passed on.
CHANGES_MAX = 256  # One batch is shown whole or not at all, so it must be small enough to apply in one slice.
CONTENT_BYTES_MAX = 64 * 1024
AFTER_MAX = 256  # Longer lists are split over batches without changes.
WRITER_IDS_MAX = 4096  # Kept, because every batch is checked against its writer's.
SIGNATURE_BYTES_MAX = 80  # DER of ECDSA over P-256 is at most 72 bytes.

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class Kind(IntEnum):
    """What a change does."""

    PUT = 0
    CLEAR = 1
    BURY = 2
    RESTORE = 3


class Change(Struct, frozen=True, array_like=True, gc=False):
    """One change of one cell. `over` names the live siblings that the writer saw and replaces.

    `value` is msgpack for PUT and empty otherwise. BURY and RESTORE speak of the record: their field is "".
    """

    record: RecordId
    field: str
    kind: Kind
    value: bytes
    over: tuple[Dot, ...]


class Envelope(Struct, frozen=True, array_like=True, gc=False):
    """The part of the content that every future version keeps in place, so that newer batches can be held and passed on.

    `stamp` is a hybrid clock's; `after` names the frontier of what the author's replica had applied.
    """

    domain: str
    mesh: MeshId
    semantics: int
    epoch: int
    writer: WriterId
    era: bytes
    certificate: CertificateHash
    number: int
    previous: BatchHash
    stamp: int
    author: str
    after: tuple[Head, ...]


class Content(Envelope, frozen=True, array_like=True, gc=False):
    """What a writer signs.

    `about` holds what the author wants to say of the batch as a whole: `reason`, `intent`; unknown keys pass through.
    """

    changes: tuple[Change, ...]
    about: dict[str, str]


class Batch(Struct, frozen=True, array_like=True, gc=False):
    """A batch as it travels and is stored: the content's bytes, and the signature of its writer's node over them."""

    content: bytes
    signature: bytes


_decode_content = msgspec.msgpack.Decoder(Content).decode
_decode_envelope = msgspec.msgpack.Decoder(Envelope).decode
_decode_batch = msgspec.msgpack.Decoder(Batch).decode


class OpenBatch(Struct, frozen=True, gc=False):
    """A batch together with what its bytes say. `content.changes` is empty where the semantics are newer than ours."""

    batch: Batch
    hash: BatchHash
    content: Content

    @property
    def head(self) -> Head:
        """This batch as the newest of its writer."""
        return Head(self.content.writer, self.content.number, self.hash)

    def dot(self, index: int) -> Dot:
        """The name of change `index`."""
        return Dot(self.content.writer, self.content.number, index, self.hash[:8])


@lru_cache(maxsize=WRITER_IDS_MAX)
def writer_id(certificate: CertificateHash, era: bytes) -> WriterId:
    """The ledger identity of the node that holds `certificate`, in the era whose nonce is `era`."""
    return WriterId(sha256(WRITER_DOMAIN + certificate + era).digest()[:16])


def hash_content(content: bytes) -> BatchHash:
    """The batch's hash: over the content alone, because an ECDSA signature can be altered without the key."""
    return BatchHash(sha256(content).digest())


def encode_content(content: Content) -> bytes:
    """The one encoding of `content`. Its bytes are what is signed."""
    return _encode(content)


def encode_value(value: object) -> bytes:
    """A JSON-like value as the bytes of a PUT: equal values give equal bytes."""
    return _encode(value)


def encode_batch(batch: Batch) -> bytes:
    """A batch as one row of the log."""
    return _encode(batch)


def decode_batch(row: bytes) -> Batch:
    """The batch in a row of the log. Raises MalformedMessage."""
    try:
        return _decode_batch(row)
    except msgspec.MsgspecError as error:
        raise MalformedMessage(f"a batch was expected: {error}") from None


def open_batch(batch: Batch, mesh: MeshId) -> OpenBatch:
    """Read a batch's content. Raises MalformedMessage where the bytes are not a batch of this mesh.

    The signature is not checked here: it needs the writer's certificate.
    """
    if len(batch.content) > CONTENT_BYTES_MAX:
        raise MalformedMessage(f"a batch of at most {CONTENT_BYTES_MAX} bytes was expected, {len(batch.content)} came")
    if len(batch.signature) > SIGNATURE_BYTES_MAX:
        raise MalformedMessage(f"a signature of at most {SIGNATURE_BYTES_MAX} bytes was expected")
    try:
        content = _read_content(batch.content)
    except (msgspec.MsgspecError, RecursionError, UnicodeError, OverflowError) as error:
        raise MalformedMessage(f"the content of a batch cannot be read: {error}") from None
    _check_shape(content, mesh)
    return OpenBatch(batch, hash_content(batch.content), content)


def reread(batch: Batch) -> Content:
    """The content of a batch that was opened and applied before: nothing is checked again. Raises MalformedMessage."""
    try:
        return _decode_content(batch.content)
    except msgspec.MsgspecError as error:
        raise MalformedMessage(f"the content of a batch in the log cannot be read: {error}") from None


def read_envelope(batch: Batch) -> Envelope:
    """The part of a stored batch's content that says where it stands; its changes are not read. Raises MalformedMessage."""
    try:
        return _decode_envelope(batch.content)
    except (msgspec.MsgspecError, UnicodeError, OverflowError) as error:
        raise MalformedMessage(f"the content of a batch in the log cannot be read: {error}") from None


def _read_content(raw: bytes) -> Content:
    try:
        content = _decode_content(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeError, OverflowError):
        if _decode_envelope(raw).semantics <= SEMANTICS:
            raise
        return _unread(raw)
    if content.semantics > SEMANTICS:
        return _unread(raw)
    if encode_content(content) != raw:
        raise MalformedMessage("the content of a batch is not in its canonical encoding")
    return content


def _unread(raw: bytes) -> Content:
    """The content of a batch under rules that we don't know: nothing but its envelope is looked at."""
    envelope = _decode_envelope(raw)
    known = {name: getattr(envelope, name) for name in Envelope.__struct_fields__}
    return Content(**known, changes=(), about={})


def _check_shape(content: Content, mesh: MeshId) -> None:
    if content.domain != DOMAIN or content.mesh != mesh:
        raise MalformedMessage(f"a batch of mesh {mesh.hex()} was expected, one of {content.mesh.hex()} came")
    sizes = (len(content.writer), len(content.era), len(content.certificate), len(content.previous))
    if sizes != (16, 16, 32, 32):
        raise MalformedMessage("an identity in a batch has the wrong length")
    if content.writer != writer_id(content.certificate, content.era):
        raise MalformedMessage("the writer of a batch is not the hash of its certificate and era")
    if not 1 <= content.number < 2**63 or not 0 <= content.stamp < 2**63:
        raise MalformedMessage("a number or stamp in a batch is out of range")
    if (content.number == 1) != (content.previous == NO_BATCH):
        raise MalformedMessage("only a writer's first batch has no predecessor")
    if len(content.changes) > CHANGES_MAX or len(content.after) > AFTER_MAX:
        raise MalformedMessage(f"a batch names at most {CHANGES_MAX} changes and {AFTER_MAX} heads")
    if not all(len(h.writer) == 16 and len(h.hash) == 32 and 1 <= h.number < 2**63 for h in content.after):
        raise MalformedMessage("a head in a batch is out of range")
    for change in content.changes:
        if change.over and not all(len(d.writer) == 16 and len(d.mark) == 8 and d.number >= 1 for d in change.over):
            raise MalformedMessage("a dot in a batch is out of range")
