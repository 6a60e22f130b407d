"""Suspicions: memberlist's formula, and confirmations that only shorten it."""

import math

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mesh.config import PROFILES
from mesh.gossip.suspicions import Scale, Suspicions, shortest
from mesh.messages import VOICES_MAX, Standing
from tests.gossip.circle import accusation, node, roster

LIFEGUARD = PROFILES["lifeguard"]


def patience(voices: int, members: int, profile: str = "lifeguard") -> float:
    """How long a suspicion with so many voices lasts, in seconds."""
    known, clocks = roster("ada", "bob"), Suspicions(PROFILES[profile])
    heard = accusation("bob", standing=Standing.SUSPECT)
    known.hear(msgspec.structs.replace(heard, voices=_names(voices)), 0.0)
    clocks.watch(node("bob"), known.get(node("bob")), Scale(members), 0.0)
    return clocks.deadline()


def _names(voices: int) -> tuple[bytes, ...]:
    return tuple(sorted(node(f"v{number}") for number in range(voices)))


def test_the_formula_is_that_of_lifeguard() -> None:
    least = 5.0 * math.log10(128)
    assert patience(1, 128) == 6.0 * least
    assert patience(4, 128) == least
    assert math.isclose(patience(2, 128), 6 * least - 5 * least * math.log(2) / math.log(4))
    assert shortest(LIFEGUARD, 5) == 5.0


def test_without_lifeguard_a_suspicion_has_one_length() -> None:
    assert {patience(voices, 128, "swim") for voices in range(1, 6)} == {5.0 * math.log10(128)}


@given(st.integers(0, VOICES_MAX - 1), st.integers(2, 2_000), st.sampled_from(sorted(PROFILES)))
def test_another_voice_never_lengthens_a_suspicion(voices: int, members: int, profile: str) -> None:
    assert patience(voices + 1, members, profile) <= patience(voices, members, profile)
    assert patience(voices, members, profile) >= shortest(PROFILES[profile], members)


def test_the_least_that_a_suspect_is_given_is_kept_however_many_confirm() -> None:
    known, clocks = roster("ada", "bob"), Suspicions(PROFILES["lan"])
    heard = accusation("bob", standing=Standing.SUSPECT)
    known.hear(msgspec.structs.replace(heard, voices=_names(VOICES_MAX)), 0.0)
    clocks.watch(node("bob"), known.get(node("bob")), Scale(100, 30.0), 0.0)
    assert clocks.deadline() == 30.0
