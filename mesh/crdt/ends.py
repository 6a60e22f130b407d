"""An end: an admin's word that what a writer signed behind one of its batches has no effect any more (DESIGN §5, Ends).

An end may also be of a node: its certificate opens no door any more, for good (DESIGN §9). Such an end takes no batch by itself.

Invariant: ends only add up. What all of them together take is a function of the set of them, whatever order they came in; of two on
one chain the lower takes more.
"""

from collections.abc import Callable
from hashlib import sha256

import msgspec
from msgspec import Struct

from mesh.crdt.batch import OpenBatch
from mesh.crdt.replica import Reader, Table, Write
from mesh.errors import MalformedMessage
from mesh.ids import NO_BATCH, BatchHash, MeshId, NodeId, WriterId
from mesh.security.trust import Checker

DOMAIN = "chaos-mesh/end/1"
NODE_DOMAIN = "chaos-mesh/node-end/1"
CONTENT_BYTES_MAX = 2048
SIGNATURE_BYTES_MAX = 256
REASON_CHARACTERS_MAX = 500
NAME_BYTES = 16
HASH_BYTES = 32


class End(Struct, frozen=True, array_like=True):
    """`number` and `hash` name the last batch of `writer` that stays; 0 and NO_BATCH: none does.

    Taken are all batches behind that one in the tree of hashes; with `branch`, only the one of this hash and those behind it. Of a
    node's end `writer` is the node.
    """

    domain: str
    mesh: MeshId
    writer: WriterId
    number: int
    hash: BatchHash
    branch: bytes
    reason: str
    author: str
    stamp: int

    @property
    def node(self) -> NodeId | None:
        """The node that is ended; None where it is a writer."""
        return NodeId(self.writer) if self.domain == NODE_DOMAIN else None


class SignedEnd(Struct, frozen=True, array_like=True):
    """An end as it travels and is stored: its bytes, and the admin's signature of them."""

    content: bytes
    signature: bytes

    @property
    def name(self) -> bytes:
        """16 bytes that tell this end from any other; whoever signs it again makes no other one."""
        return sha256(self.content).digest()[:NAME_BYTES]


_encode = msgspec.msgpack.Encoder().encode
_decode_end = msgspec.msgpack.Decoder(End).decode
_decode_signed = msgspec.msgpack.Decoder(SignedEnd).decode


def end_of_node(mesh: MeshId, node: NodeId, words: tuple[str, str], stamp: int) -> End:
    """The end of a node; `words` are the reason and who says it."""
    return End(NODE_DOMAIN, mesh, WriterId(node), 0, NO_BATCH, b"", *words, stamp)


def sign_end(end: End, sign: Callable[[bytes], bytes]) -> SignedEnd:
    """An end with the admin's signature."""
    content = _encode(end)
    return SignedEnd(content, sign(content))


def open_end(signed: SignedEnd, mesh: MeshId, trust: Checker) -> End:
    """What an end says. Raises MalformedMessage where it is none of this mesh, or its admin has not signed it."""
    if len(signed.content) > CONTENT_BYTES_MAX or len(signed.signature) > SIGNATURE_BYTES_MAX:
        raise MalformedMessage(f"an end of at most {CONTENT_BYTES_MAX} bytes was expected, {len(signed.content)} came")
    end = _read(signed.content)
    if end.domain not in (DOMAIN, NODE_DOMAIN) or end.mesh != mesh:
        raise MalformedMessage(f"an end of mesh {mesh.hex()} was expected, one of {end.mesh.hex()} came")
    if len(end.writer) != NAME_BYTES or len(end.hash) != HASH_BYTES or len(end.branch) not in (0, HASH_BYTES):
        raise MalformedMessage("an identity in an end has the wrong length")
    if not 0 <= end.number < 2**63 or not 0 <= end.stamp < 2**63 or (end.number == 0) != (end.hash == NO_BATCH):
        raise MalformedMessage("a number or stamp in an end is out of range")
    if end.node is not None and (end.number or end.branch):
        raise MalformedMessage("the end of a node names a batch")
    if not trust.verify(trust.admin, signed.signature, signed.content):
        raise MalformedMessage(f"the end of writer {end.writer.hex()} is not signed by the mesh's admin")
    return end


def _read(content: bytes) -> End:
    try:
        return _decode_end(content)
    except (msgspec.MsgspecError, UnicodeError, OverflowError) as error:
        raise MalformedMessage(f"an end cannot be read: {error}") from None


def end_write(signed: SignedEnd) -> Write:
    """The write that keeps an end."""
    return Write(Table.ENDS, signed.name, _encode(signed))


def decode_signed(row: bytes) -> SignedEnd:
    """The end in a row of ENDS. Raises MalformedMessage."""
    try:
        return _decode_signed(row)
    except msgspec.MsgspecError as error:
        raise MalformedMessage(f"an end was expected: {error}") from None


def read_ends(reader: Reader) -> "Ends":
    """All ends of a replica; they were checked when they came in."""
    ends = Ends()
    for _, row in reader.scan(Table.ENDS):
        signed = decode_signed(row)
        ends.add(signed, _read(signed.content))
    return ends


class Ends:
    """A set of ends, by name, by writer and by node."""

    __slots__ = ("_of", "by_name", "nodes", "signed")

    def __init__(self) -> None:
        self.by_name: dict[bytes, End] = {}
        self.signed: dict[bytes, SignedEnd] = {}
        self.nodes: dict[NodeId, End] = {}  # Of several the first in order, whatever came first.
        self._of: dict[WriterId, list[End]] = {}

    def __bool__(self) -> bool:
        return bool(self.by_name)

    def add(self, signed: SignedEnd, end: End) -> bool:
        """Take one in. False: it is known already."""
        if (name := signed.name) in self.by_name:
            return False
        self.by_name[name], self.signed[name] = end, signed
        if end.node is not None:
            self.nodes[end.node] = min(
                self.nodes.get(end.node, end), end, key=lambda one: (one.stamp, one.author, one.reason)
            )
            return True
        ends = [*self._of.get(end.writer, ()), end]
        self._of[end.writer] = sorted(ends, key=lambda one: (one.number, one.hash, one.branch, one.stamp, one.reason))
        return True

    def of(self, writer: WriterId) -> list[End]:
        """The ends of a writer, the lowest first."""
        return self._of.get(writer, [])

    def beyond(self, writer: WriterId, number: int) -> End | None:
        """The lowest end that may have taken batch `number` of `writer`."""
        return next((end for end in self.of(writer) if end.number < number), None)

    def bars(self, opened: OpenBatch) -> End | None:
        """The end that takes a batch which stands directly behind one that stays."""
        content = opened.content
        for end in self.of(content.writer):
            follows = (content.number, content.previous) == (end.number + 1, end.hash)
            if follows and end.branch in (b"", opened.hash):
                return end
        return None
