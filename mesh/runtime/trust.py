"""Signing and verifying with real keys: what `mesh.security.trust` describes, done by `cryptography`.

Invariant: nothing here raises anything but MalformedMessage because of bytes that came from a peer, and what is cached
was checked before.
"""

import os
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mesh.errors import MalformedMessage, UsageError
from mesh.ids import CertificateHash, MeshId
from mesh.runtime.certificates import MESH_ID_BYTES, CertificateFaults, claims_of, mesh_id_of
from mesh.runtime.identity import Identity
from mesh.security.trust import Certificate, Checker, Signed, Trust

CERTIFICATE_BYTES_MAX = 4096  # A node certificate has about 700.
KEYS_MAX = 4096  # Loaded public keys kept, some 2 kB each; loading one costs about half a verification.
CERTIFICATES_MAX = 4096
KEY_BYTES_MAX = 512  # A P-256 key has 91.
THREADS_MAX = 4  # The thread of the loop is one of them. More would take cores from the units beside us.
TOGETHER_MIN = 4  # For fewer signatures waking another thread takes longer than checking them.

_DIGEST = hashes.SHA256()
_SIGNING = ec.ECDSA(_DIGEST, deterministic_signing=True)  # RFC 6979
_VERIFYING = ec.ECDSA(_DIGEST)


class CaTrust(Checker):
    """The CA of a mesh. Signatures are DER-encoded ECDSA over P-256 with SHA-256."""

    def __init__(self, ca: x509.Certificate, mesh: MeshId, threads: int | None = None) -> None:
        """`threads` check signatures together; None: as many as there are cores, within THREADS_MAX."""
        self._threads = threads or min(os.cpu_count() or 1, THREADS_MAX)
        self._pool = ThreadPoolExecutor(max(1, self._threads - 1), "signatures")
        self.mesh = mesh
        self._ca = ca
        self._admin = ca.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._certificates: OrderedDict[CertificateHash, Certificate] = OrderedDict()

    @property
    def admin(self) -> bytes:
        """The CA's public key (DER SubjectPublicKeyInfo)."""
        return self._admin

    def read_certificate(self, raw: bytes) -> Certificate:
        """The certificate in `raw`. Raises MalformedMessage where it is none, or another mesh's."""
        if len(raw) > CERTIFICATE_BYTES_MAX:
            raise MalformedMessage(
                f"certificate refused: expected {CERTIFICATE_BYTES_MAX} bytes at most, got {len(raw)}"
            )
        fingerprint = certificate_hash(raw)
        known = self._certificates.get(fingerprint)
        if known is None:
            known = self._certificates[fingerprint] = self._check(raw, fingerprint)
            if len(self._certificates) > CERTIFICATES_MAX:
                self._certificates.popitem(last=False)
        return known

    def verify(self, key: bytes, signature: bytes, content: bytes) -> bool:
        """Whether the owner of `key` (DER SubjectPublicKeyInfo) signed `content`. False for whatever is malformed."""
        try:
            _public_key(key).verify(signature, content, _VERIFYING)
        except (InvalidSignature, ValueError, UnsupportedAlgorithm):
            return False
        return True

    def verify_all(self, claims: Sequence[Signed]) -> list[bool]:
        """`verify` of each of `claims`, in their order, spread over the threads of this trust; the caller's takes its share.

        Checking a signature leaves the interpreter to others, so the caller never waits for a thread that runs Python.
        """
        if self._threads == 1 or len(claims) < TOGETHER_MIN:
            return self._verify_each(claims)
        share = -(-len(claims) // self._threads)
        others = [
            self._pool.submit(self._verify_each, claims[at : at + share]) for at in range(share, len(claims), share)
        ]
        verdicts = self._verify_each(claims[:share])
        return [*verdicts, *(verdict for other in others for verdict in other.result())]

    def _verify_each(self, claims: Sequence[Signed]) -> list[bool]:
        return [self.verify(claim.key, claim.signature, claim.content) for claim in claims]

    def _check(self, raw: bytes, fingerprint: CertificateHash) -> Certificate:
        try:
            certificate = x509.load_der_x509_certificate(raw)
        except CertificateFaults as fault:
            raise MalformedMessage(f"certificate refused: expected X.509 in DER, got {len(raw)} other bytes") from fault
        if not raw.endswith(_bit_string(certificate.signature)):
            raise MalformedMessage("certificate refused: its signature is not written as DER wants it")
        claims = claims_of(certificate, self._ca)
        if claims.mesh != self.mesh:
            raise MalformedMessage(
                f"certificate refused: {claims.name!r} belongs to mesh {claims.mesh.hex()}, not to {self.mesh.hex()}"
            )
        return Certificate(claims.node, claims.name, claims.key, fingerprint)


class KeyTrust(CaTrust, Trust):
    """The keys of one node and the CA of its mesh."""

    def __init__(self, identity: Identity, threads: int | None = None) -> None:
        super().__init__(x509.load_der_x509_certificate(identity.ca_der), identity.mesh, threads)
        self._key = identity.key

    def sign(self, content: bytes) -> bytes:
        """This node's signature of `content`; the same content gives the same signature (RFC 6979)."""
        return self._key.sign(content, _SIGNING)


def load_ca(file: Path) -> CaTrust:
    """The CA whose certificate is in a PEM file. Raises UsageError where it is none of a mesh."""
    try:
        ca = x509.load_pem_x509_certificate(file.read_bytes())
        mesh = bytes.fromhex(mesh_id_of(ca))
    except OSError as error:
        raise _no_ca(file, error.strerror or "it cannot be read") from None
    except CertificateFaults as error:
        raise _no_ca(file, str(error)) from None
    if len(mesh) != MESH_ID_BYTES:
        raise _no_ca(file, "it names no mesh")
    return CaTrust(ca, MeshId(mesh))


def _no_ca(file: Path, why: str) -> UsageError:
    return UsageError(
        f"{file} is no certificate of a mesh's CA: {why}",
        field="--ca",
        rule="the mesh's ca.pem",
        todo="copy ca.pem from any node's folder, over a way that you trust",
    )


def certificate_hash(raw: bytes) -> CertificateHash:
    """SHA-256 over a certificate's bytes: how batches name it."""
    return CertificateHash(sha256(raw).digest())


def _bit_string(content: bytes) -> bytes:
    """`content` in DER with no unused bits, which a stranger could alter without breaking the signature."""
    return bytes([3, (len(content) + 1) & 0x7F, 0]) + content


@lru_cache(maxsize=KEYS_MAX)
def _public_key(der: bytes) -> ec.EllipticCurvePublicKey:
    if len(der) > KEY_BYTES_MAX:
        raise ValueError("expected a P-256 key")
    key = serialization.load_der_public_key(der)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("expected a P-256 key")
    return key
