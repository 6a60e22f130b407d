"""The small values everyone shares: who, where, which change, which record.

Invariant: all of them are immutable, compare by value, and travel as msgpack arrays.
"""

from typing import NewType

from msgspec import Struct

NodeId = NewType("NodeId", bytes)
"""Fingerprint of a node's P-256 public key: the first 16 bytes of SHA-256 over its SubjectPublicKeyInfo."""

WriterId = NewType("WriterId", bytes)
"""A node's ledger identity, 16 bytes: hash of the node's certificate hash and an era nonce (DESIGN §4)."""

MeshId = NewType("MeshId", bytes)
"""16 random bytes made by `mesh init`; in every packet, batch and certificate."""

BatchHash = NewType("BatchHash", bytes)
"""SHA-256 over a batch's content without its signature; 32 bytes."""

CertificateHash = NewType("CertificateHash", bytes)
"""SHA-256 over a node certificate's bytes; 32 bytes."""

NO_BATCH = BatchHash(bytes(32))  # What the first batch of a writer names as its predecessor.


class Address(Struct, frozen=True, array_like=True, order=True, gc=False):
    """Where a node listens: one number for its UDP and its TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Boot(Struct, frozen=True, array_like=True, order=True, gc=False):
    """One life of a node. A later boot outranks everything said about an earlier one (DESIGN §4).

    `count` is the larger of the stored and the highest heard in the node's name, plus one; `noise` is 64 random bits.
    """

    count: int
    noise: int


class Dot(Struct, frozen=True, array_like=True, order=True, gc=False):
    """One change: `index` in batch `number` of `writer`; `mark` is the first 8 bytes of that batch's hash.

    The mark keeps two changes apart even where a copied disk reused a number.
    """

    writer: WriterId
    number: int
    index: int
    mark: bytes

    def __str__(self) -> str:
        return f"{self.writer.hex()}.{self.number}.{self.index}.{self.mark.hex()}"


def read_dot(text: str) -> Dot:
    """The dot that `str` made this text of. Raises ValueError."""
    writer, number, index, mark = text.split(".")
    dot = Dot(WriterId(bytes.fromhex(writer)), int(number), int(index), bytes.fromhex(mark))
    if str(dot) != text:
        raise ValueError(f"{text!r} is no dot")
    return dot


class Head(Struct, frozen=True, array_like=True, order=True, gc=False):
    """The newest batch of a writer that somebody has, or that a batch depends on."""

    writer: WriterId
    number: int
    hash: BatchHash


class RecordId(Struct, frozen=True, array_like=True, order=True, gc=False):
    """A record's collection (`unit`) and key (`BTF/DIPOLE/DHSTB001`)."""

    collection: str
    key: str

    def __str__(self) -> str:
        return f"{self.collection}/{self.key}"


def short(identity: bytes) -> str:
    """Eight hexadecimal digits of an identity, for people."""
    return identity[:4].hex()
