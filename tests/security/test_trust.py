"""Any keys keep the promises that a core relies on; here the cheap ones, in tests/runtime the real ones."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.security.trust import fingerprint
from sim.trust import CheapTrust, certificate_for

names = st.text("abc", min_size=1, max_size=4)


@given(names, names, st.binary(max_size=20), st.binary(max_size=20))
def test_a_signature_is_of_one_node_and_one_content(one: str, two: str, signed: bytes, shown: bytes) -> None:
    signer = CheapTrust(one)
    key = signer.read_certificate(certificate_for(two)).key
    verdict = signer.verify(key, signer.sign(signed), shown)
    assert verdict == ((one, signed) == (two, shown))


@given(names)
def test_a_node_is_the_fingerprint_of_its_key(name: str) -> None:
    certificate = CheapTrust("reader").read_certificate(certificate_for(name))
    assert (certificate.node, certificate.name) == (fingerprint(certificate.key), name)
    assert len(certificate.node) == 16
