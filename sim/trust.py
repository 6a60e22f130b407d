"""Cheap signatures for simulated meshes: keyed hashes that any simulated node can check.

Invariant: the same shapes and verdicts as real keys, at a hundredth of their cost; nothing that is not signed is accepted.
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b, sha256

import msgspec

from mesh.errors import MalformedMessage
from mesh.ids import CertificateHash
from mesh.security.trust import Certificate, Signed, fingerprint

CHECKED_MAX = (
    16_384  # Verdicts that are remembered: all members of a mesh check the same few signatures within a second.
)


def certificate_for(name: str) -> bytes:
    """The certificate of the simulated node `name`."""
    return msgspec.msgpack.encode((name, b"key of " + name.encode()))


@lru_cache(maxsize=CHECKED_MAX)
def _is_signed(key: bytes, signature: bytes, content: bytes) -> bool:
    return blake2b(content, key=key[:64], digest_size=16).digest() == signature


class CheapTrust:
    """The keys of one simulated node."""

    admin = b"key of the admin"

    def __init__(self, name: str) -> None:
        self._key = b"key of " + name.encode()

    def read_certificate(self, raw: bytes) -> Certificate:
        """The certificate in `raw`. Raises MalformedMessage."""
        try:
            name, key = msgspec.msgpack.decode(raw, type=tuple[str, bytes])
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise MalformedMessage(f"a simulated certificate was expected: {error}") from None
        return Certificate(fingerprint(key), name, key, CertificateHash(sha256(raw).digest()))

    def sign(self, content: bytes) -> bytes:
        """This node's signature of `content`."""
        return blake2b(content, key=self._key[:64], digest_size=16).digest()

    def verify(self, key: bytes, signature: bytes, content: bytes) -> bool:
        """Whether the owner of `key` signed `content`."""
        return _is_signed(key, signature, content)

    def verify_all(self, claims: Sequence[Signed]) -> list[bool]:
        """Whether each of `claims` is signed, in their order."""
        return [self.verify(claim.key, claim.signature, claim.content) for claim in claims]
