"""Suspicions: memberlist's formula, and confirmations that only shorten it."""

import math

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mesh.config import PROFILES
from mesh.gossip.suspicions import Scale, Suspicions, shortest
from mesh.messages import VOICES_MAX, Standing
from tests.gossip.circle import accusation, node, roster, signed

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


def test_time_is_given_to_one_suspect_or_to_all() -> None:
    known, clocks = roster("ada", "bob", "cyd"), Suspicions(LIFEGUARD)
    for name in ("bob", "cyd"):
        known.hear(accusation(name, standing=Standing.SUSPECT), 0.0)
        clocks.watch(node(name), known.get(node(name)), Scale(128), 0.0)
    began = clocks.deadline()
    clocks.postpone(3.0, node("bob"))
    assert clocks.deadline() == began
    clocks.postpone(1.0)
    assert [name for name, _ in clocks.due(began + 2.0)] == [node("cyd")]


def test_confirmations_are_expected_where_there_are_so_many_beside_the_two() -> None:
    alone, least = 2 + LIFEGUARD.confirmations - 1, shortest(LIFEGUARD, 5)
    assert patience(1, alone) == shortest(LIFEGUARD, alone)
    assert patience(1, alone + 1) == LIFEGUARD.suspicion_spread * least


def test_a_suspicion_of_the_next_life_has_a_clock_of_its_own() -> None:
    known, clocks = roster("ada", "bob"), Suspicions(LIFEGUARD)
    for boot, now in ((1, 0.0), (2, 5.0)):
        known.hear(signed("bob", boot=boot), now)
        known.hear(accusation("bob", boot=boot, standing=Standing.SUSPECT), now)
        clocks.watch(node("bob"), known.get(node("bob")), Scale(128), now)
    assert clocks.deadline() == 5.0 + LIFEGUARD.suspicion_spread * shortest(LIFEGUARD, 128)
