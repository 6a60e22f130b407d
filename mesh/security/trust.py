"""What a core may ask of keys and certificates; the cryptography itself is handed in.

Invariant: nothing here reads a clock, a file or a random source, so that the simulator can hand in cheap signatures.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Protocol

from msgspec import Struct

from mesh.ids import CertificateHash, NodeId


class Certificate(Struct, frozen=True):
    """A node certificate that its mesh's CA signed. `key` is the public key (DER SubjectPublicKeyInfo in real meshes)."""

    node: NodeId
    name: str
    key: bytes
    hash: CertificateHash


class Signed(Struct, frozen=True, gc=False):
    """Bytes that somebody may have signed: who, with what signature, and what."""

    key: bytes
    signature: bytes
    content: bytes


class Checker(Protocol):
    """The CA of a mesh, and how signatures are checked: all that somebody outside of the mesh needs."""

    @property
    def admin(self) -> bytes:
        """The public key of the mesh's admin: for now its CA's."""
        ...

    def read_certificate(self, raw: bytes) -> Certificate:
        """The certificate in `raw`. Raises MalformedMessage where it is none, or another CA signed it."""
        ...

    def verify(self, key: bytes, signature: bytes, content: bytes) -> bool:
        """Whether the owner of public key `key` signed `content`."""
        ...

    def verify_all(self, claims: Sequence[Signed]) -> list[bool]:
        """`verify` of each of `claims`, in their order; many at once may take less time than one by one."""
        ...


class Trust(Checker, Protocol):
    """One node's keys, and its mesh's CA. Deterministic: signing is RFC 6979."""

    def sign(self, content: bytes) -> bytes:
        """This node's signature of `content`."""
        ...


def fingerprint(key: bytes) -> NodeId:
    """The identity of the node that holds public key `key`."""
    return NodeId(sha256(key).digest()[:16])
