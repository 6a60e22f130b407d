"""A node certificate names one node and one mesh, and nothing else passes for one."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from mesh.errors import MalformedMessage
from mesh.runtime.certificates import certify, claims_of, make_ca, mesh_id_of, node_id

MESH = "0" * 31 + "1"


@pytest.fixture(scope="module")
def ca_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def ca(ca_key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    return make_ca("btf", MESH, ca_key)


def own(
    ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, key: ec.EllipticCurvePublicKey, *uris: str
) -> x509.Certificate:
    names = [x509.UniformResourceIdentifier(uri) for uri in uris]
    return (
        x509.CertificateBuilder(ca.subject, ca.subject, key, x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2030, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def test_claims_are_read_as_they_were_made(ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey) -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    claims = claims_of(certify(ca, ca_key, "ada", key), ca)
    assert (claims.name, claims.node, claims.mesh.hex()) == ("ada", node_id(key), MESH)


def test_certificates_do_not_end(ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey) -> None:
    certificate = certify(ca, ca_key, "ada", ec.generate_private_key(ec.SECP256R1()).public_key())
    assert certificate.not_valid_after_utc == ca.not_valid_after_utc == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_the_ca_names_its_mesh_and_is_no_node(ca: x509.Certificate) -> None:
    assert mesh_id_of(ca) == MESH
    with pytest.raises(MalformedMessage, match="certificate refused"):
        claims_of(ca, ca)


def test_a_ca_with_the_same_name_is_another(ca: x509.Certificate) -> None:
    foreign_key = ec.generate_private_key(ec.SECP256R1())
    foreign = make_ca("btf", MESH, foreign_key)
    certificate = certify(foreign, foreign_key, "ada", foreign_key.public_key())
    with pytest.raises(MalformedMessage, match="this mesh's CA did not sign it"):
        claims_of(certificate, ca)


def test_another_kind_of_key_is_refused(ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey) -> None:
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    with pytest.raises(MalformedMessage, match="expected a P-256 key"):
        claims_of(certify(ca, ca_key, "ada", key), ca)


@pytest.mark.parametrize(
    ("uris", "said"),
    [
        ((), "expected one name mesh:id"),
        ((f"mesh:id:{MESH}",), "expected one name mesh:node"),
        ((f"mesh:id:{MESH}", f"mesh:id:{MESH}"), "expected one name mesh:id"),
        (("mesh:id:xyz",), "expected one name mesh:id"),
        ((f"mesh:id:{MESH}", f"mesh:node:{MESH}"), "names another node"),
    ],
)
def test_names_must_fit(
    uris: tuple[str, ...], said: str, ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey
) -> None:
    with pytest.raises(MalformedMessage, match=said):
        claims_of(own(ca, ca_key, ca_key.public_key(), *uris), ca)
