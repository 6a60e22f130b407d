"""Real keys keep the promises of `mesh.security.trust`."""

from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import MalformedMessage
from mesh.runtime.certificates import public_der
from mesh.runtime.identity import Identity, create_mesh, create_node
from mesh.runtime.trust import CERTIFICATE_BYTES_MAX, KeyTrust
from mesh.security.trust import Signed


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Identity]:
    folder = tmp_path_factory.mktemp("trust")
    for mesh in ("own", "foreign"):
        create_mesh(folder / mesh, "btf")
    return {name: make(folder, name, mesh) for name, mesh in (("ada", "own"), ("bob", "own"), ("eve", "foreign"))}


def make(folder: Path, name: str, mesh: str) -> Identity:
    return create_node(folder / name, name, folder / mesh)


@pytest.fixture(scope="module")
def ada(nodes: dict[str, Identity]) -> KeyTrust:
    return KeyTrust(nodes["ada"])


def test_a_member_reads_another_members_certificate(ada: KeyTrust, nodes: dict[str, Identity]) -> None:
    bob = nodes["bob"]
    certificate = ada.read_certificate(bob.certificate_der)
    assert (certificate.node, certificate.name) == (bob.node, "bob")
    assert certificate.key == public_der(bob.key.public_key())
    assert certificate.hash == sha256(bob.certificate_der).digest()
    assert ada.read_certificate(bob.certificate_der) is certificate


def test_a_foreign_meshs_certificate_is_refused_each_time(ada: KeyTrust, nodes: dict[str, Identity]) -> None:
    for _ in range(2):
        with pytest.raises(MalformedMessage, match="this mesh's CA did not sign it"):
            ada.read_certificate(nodes["eve"].certificate_der)


def test_an_endless_certificate_is_not_parsed(ada: KeyTrust) -> None:
    with pytest.raises(MalformedMessage, match="4096 bytes at most"):
        ada.read_certificate(bytes(CERTIFICATE_BYTES_MAX + 1))


def test_what_one_signs_the_others_verify(ada: KeyTrust, nodes: dict[str, Identity]) -> None:
    bob = KeyTrust(nodes["bob"])
    key = bob.read_certificate(nodes["ada"].certificate_der).key
    signature = ada.sign(b"content")
    assert bob.verify(key, signature, b"content")
    assert not bob.verify(key, signature, b"contents")
    assert not bob.verify(public_der(nodes["bob"].key.public_key()), signature, b"content")


def test_signing_twice_gives_one_signature(ada: KeyTrust) -> None:
    assert ada.sign(b"content") == ada.sign(b"content")


@given(key=st.binary(max_size=600), signature=st.binary(max_size=80))
def test_malformed_keys_and_signatures_are_only_false(
    key: bytes, signature: bytes, ada: KeyTrust, nodes: dict[str, Identity]
) -> None:
    assert not ada.verify(key, signature, b"content")
    assert not ada.verify(public_der(nodes["ada"].key.public_key()), signature, b"content")


@given(raw=st.binary(max_size=200))
def test_arbitrary_bytes_are_no_certificate(raw: bytes, ada: KeyTrust) -> None:
    with pytest.raises(MalformedMessage):
        ada.read_certificate(raw)


@given(data=st.data())
def test_a_certificate_with_a_flipped_bit_is_none(
    data: st.DataObject, ada: KeyTrust, nodes: dict[str, Identity]
) -> None:
    raw = bytearray(nodes["bob"].certificate_der)
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(MalformedMessage):
        ada.read_certificate(bytes(raw))


def test_unused_bits_of_the_signature_make_no_second_certificate(ada: KeyTrust, nodes: dict[str, Identity]) -> None:
    raw = bytearray(nodes["bob"].certificate_der)
    unused = raw.rindex(b"\x00\x30", 0, len(raw) - 60)  # The signature is BIT STRING (0 unused bits, SEQUENCE …).
    raw[unused] = 1
    with pytest.raises(MalformedMessage, match="certificate refused"):
        ada.read_certificate(bytes(raw))


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_many_signatures_get_the_verdicts_that_each_would_get(nodes: dict[str, Identity], threads: int) -> None:
    trust = KeyTrust(nodes["ada"], threads)
    key = public_der(nodes["ada"].key.public_key())
    for count in (0, 1, 3, 4, 5, 64):
        contents = [b"%d" % number for number in range(count)]
        claims = [
            Signed(key if number % 5 else b"no key", trust.sign(content), content if number % 3 else b"another")
            for number, content in enumerate(contents)
        ]
        wanted = [trust.verify(claim.key, claim.signature, claim.content) for claim in claims]
        assert trust.verify_all(claims) == wanted
        assert wanted == [bool(number % 5 and number % 3) for number in range(count)]
