"""Two failures are one if they break one promise in one way.

Invariant: the sentences are those that the checks say.
"""

from sim.symptoms import symptom, symptoms


def test_names_numbers_and_moments_do_not_matter() -> None:
    one = "write 12 (acknowledged by n0001 at 12.300 s) is missing at n0002, n0003, n0004, n0005, n0006 and 3 more"
    other = "write 7 (acknowledged by n0000 at 8.001 s) is missing at n0002"
    assert symptom(one) == symptom(other) == "write # (acknowledged by N at # s) is missing at N"


def test_what_differs_matters_and_how_it_differs_does_not() -> None:
    one = "ledger digests differ: 0a1b2c3d at n0001; 11223344 at n0002"
    assert symptom(one) == "ledger digests differ"
    assert symptom(one) != symptom("board digests differ: 0a1b2c3d at n0001; 11223344 at n0002")


def test_places_of_one_kind_are_one() -> None:
    dots = ("0011223344556677.3.0.8899aabbccddeeff", "8011223344556677.12.1.0899aabbccddeeff")
    said = [f"at {number}.5 s node {number}: variable/SIM/{number} field 'value' shows {dot}, which was replaced there"
            for number, dot in enumerate(dots)]  # fmt: skip
    assert symptoms(said) == ["at # s N: a field shows #, which was replaced there"]
