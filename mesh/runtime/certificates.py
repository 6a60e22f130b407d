"""Certificates of a mesh: its CA's, its nodes', and how they are read again.

Invariant: a node certificate names exactly one node, the one whose key is in it, and exactly one mesh.
"""

import re
from datetime import UTC, datetime
from ipaddress import ip_address

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mesh.errors import MalformedMessage
from mesh.ids import MeshId, NodeId
from mesh.security.trust import fingerprint

MESH_ID_BYTES = 16
NAME_CHARS_MAX = 64  # X.509 allows no longer common name (RFC 5280, ub-common-name).
NAME_RULE = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{NAME_CHARS_MAX - 1}}}")
NODE_URI, MESH_URI = "mesh:node:", "mesh:id:"

# RFC 5280 §4.1.2.5 gives the last moment for "no expiry"; the first one suits hosts whose clock starts at the epoch.
VALID_FROM = datetime(1970, 1, 1, tzinfo=UTC)
VALID_UNTIL = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

CertificateFaults = (
    ValueError,
    TypeError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""All that `cryptography` raises about a certificate that is none, is damaged, or has another signer."""


class Claims(msgspec.Struct, frozen=True):
    """What a node certificate says. `key` is its public key as DER SubjectPublicKeyInfo."""

    name: str
    node: NodeId
    mesh: MeshId
    key: bytes


def make_ca(mesh_name: str, mesh_id: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """A CA of its own for the mesh with that name and id (hexadecimal), self-signed, without an end."""
    subject = _subject(mesh_name, mesh_id)
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        _certificate(subject, subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(key_id, critical=False)
        .sign(key, hashes.SHA256())
    )


def certify(
    ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, name: str, key: ec.EllipticCurvePublicKey
) -> x509.Certificate:
    """A certificate for the node that owns `key` and is called `name`, as long-lived as the CA."""
    mesh_id = mesh_id_of(ca)
    names = [
        x509.UniformResourceIdentifier(NODE_URI + node_id(key).hex()),
        x509.UniformResourceIdentifier(MESH_URI + mesh_id),
        x509.DNSName("localhost"),
        x509.IPAddress(ip_address("127.0.0.1")),
    ]
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        _certificate(ca.subject, _subject(name, mesh_id), key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def mesh_id_of(ca: x509.Certificate) -> str:
    """The id (hexadecimal) of the mesh whose CA this is; empty where it names none."""
    found = ca.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(found[0].value) if found else ""


def _certificate(issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(VALID_FROM)
        .not_valid_after(VALID_UNTIL)
    )


def _subject(name: str, mesh_id: str) -> x509.Name:
    """The mesh id is in every name, so that certificates of two meshes called alike don't look alike."""
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, mesh_id), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )


def _key_usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def public_der(key: ec.EllipticCurvePublicKey) -> bytes:
    """`key` as DER SubjectPublicKeyInfo, always with the uncompressed point: one key has one form."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def node_id(key: ec.EllipticCurvePublicKey) -> NodeId:
    """The node that owns `key`: the first 16 bytes of SHA-256 over its SubjectPublicKeyInfo (DESIGN §4)."""
    return fingerprint(public_der(key))


def claims_of(certificate: x509.Certificate, ca: x509.Certificate) -> Claims:
    """What `certificate`, signed by `ca`, says about a node. Raises MalformedMessage where it is no such thing."""
    try:
        certificate.verify_directly_issued_by(ca)
        key = certificate.public_key()
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        name = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except CertificateFaults as fault:
        raise MalformedMessage(f"certificate refused: this mesh's CA did not sign it for a node ({fault!r})") from fault
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise MalformedMessage("certificate refused: expected a P-256 key, got another kind")
    mesh = MeshId(_identity_in(uris, MESH_URI))
    claims = Claims(str(name[0].value) if len(name) == 1 else "", node_id(key), mesh, public_der(key))
    if _identity_in(uris, NODE_URI) != claims.node:
        raise MalformedMessage(f"certificate refused: it names another node than its key's, {claims.node.hex()}")
    if not NAME_RULE.fullmatch(claims.name):
        raise MalformedMessage(f"certificate refused: expected one common name, got {claims.name!r}")
    return claims


def _identity_in(uris: list[str], prefix: str) -> bytes:
    found = [uri.removeprefix(prefix) for uri in uris if uri.startswith(prefix)]
    if len(found) != 1 or not re.fullmatch("[0-9a-f]{32}", found[0]):
        raise MalformedMessage(f"certificate refused: expected one name {prefix}<32 hexadecimal digits>, got {found}")
    return bytes.fromhex(found[0])
