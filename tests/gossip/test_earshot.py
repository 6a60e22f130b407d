"""Earshot: who does not answer directly, how soon that shows, and whether it is heard all the same."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.config import PROFILES
from mesh.gossip.earshot import AGAIN_MAX, ASKERS_MAX, MISSES, Earshot
from mesh.ids import NodeId
from tests.gossip.circle import CONFIG, node

BOB = node("bob")
MEMBERS = 128
PATIENCE_S = CONFIG.probe_timeout_s


def after(*steps: str) -> Earshot:
    """What became of questions in their turn, and what else came; nobody is asked again in between."""
    earshot = Earshot(CONFIG)
    for step in steps:
        if step in ("missed", "asked"):
            getattr(earshot, step)(BOB, MEMBERS, 0.0)
        else:
            getattr(earshot, step)(BOB)
        earshot.check()
    return earshot


def asked_again(earshot: Earshot, until: float, members: int = MEMBERS) -> list[float]:
    """When members are asked again; nobody answers."""
    asked: list[float] = []
    while (now := earshot.deadline()) < until:
        earshot.unanswered(members, now)
        asked += [now] * len(earshot.ask_again(PATIENCE_S, now))
        earshot.check()
    return asked


def test_a_few_unanswered_questions_in_a_row_are_told_once() -> None:
    earshot = Earshot(CONFIG)
    told = [earshot.missed(BOB, MEMBERS, float(turn)) for turn in range(MISSES + 2)]
    assert told == [*[False] * (MISSES - 1), True, False, False]
    assert earshot.out_of(BOB)


def test_one_answer_ends_it_however_late() -> None:
    assert not after(*["missed"] * 9, "answered").out_of(BOB)
    assert not after("missed", "missed", "answered", "missed").out_of(BOB)


def test_who_missed_one_question_is_out_of_earshot_five_seconds_later() -> None:
    earshot = Earshot(CONFIG)
    earshot.missed(BOB, MEMBERS, 0.0)
    assert asked_again(earshot, 5.1) == [2.0, 4.5]
    assert earshot.out_of(BOB)


@given(st.integers(2, 10_000))
def test_it_is_asked_again_later_each_time_until_its_turn_comes_sooner(members: int) -> None:
    earshot = Earshot(CONFIG)
    earshot.missed(BOB, members, 0.0)
    asked = asked_again(earshot, math.inf, members)
    pauses = [late - early for early, late in zip([-PATIENCE_S, *asked], asked, strict=False)]
    wanted = [2.0, *(2.0**exponent for exponent in range(1, 20))]
    assert pauses == [PATIENCE_S + pause for pause in wanted if pause < members - 1]


def test_an_answer_or_a_farewell_ends_the_asking() -> None:
    for step in ("answered", "forget"):
        earshot = after("missed", step)
        assert earshot.deadline() == math.inf


def test_a_few_are_asked_again_at_once_and_the_others_in_their_turn() -> None:
    earshot = Earshot(CONFIG)
    for number in range(3 * AGAIN_MAX):
        earshot.missed(NodeId(number.to_bytes(16, "big")), MEMBERS, 0.0)
    earshot.check()
    assert len(earshot.ask_again(PATIENCE_S, 2.0)) == AGAIN_MAX


def test_time_in_which_nothing_ran_is_no_silence() -> None:
    earshot = Earshot(CONFIG)
    earshot.missed(BOB, MEMBERS, 0.0)
    assert earshot.ask_again(PATIENCE_S, 2.0) == [BOB]
    earshot.postpone(7.0)
    assert earshot.unanswered(MEMBERS, 9.0) == []
    assert earshot.deadline() == 9.5


@pytest.mark.parametrize("profile", ["swim", "lifeguard", "lifeguard2", "lifeguard4"])
def test_what_others_do_is_left_as_it_is(profile: str) -> None:
    earshot = Earshot(PROFILES[profile])
    earshot.missed(BOB, MEMBERS, 0.0)
    assert earshot.deadline() == math.inf


@pytest.mark.parametrize(
    ("steps", "heard"),
    [
        ([], False),
        (["asked"], False),
        (["asked", "missed", "missed", "missed"], False),
        (["missed", "asked", "missed", "missed"], True),
        (["missed", "missed", "missed", "asked"], True),
        (["missed", "asked", *["missed"] * MISSES], False),
        (["missed", "asked", *["missed"] * MISSES, "asked"], True),
        (["missed", "asked", "answered"], False),
        (["missed", "asked", "forget"], False),
    ],
)
def test_who_asks_while_it_does_not_answer_is_heard(steps: Sequence[str], heard: bool) -> None:
    assert after(*steps).hears(BOB) is heard


def test_who_is_heard_once_a_round_stays_so_however_often_it_is_asked_again() -> None:
    earshot = after("missed", "asked")
    assert len(asked_again(earshot, math.inf)) > MISSES
    assert earshot.hears(BOB)


def test_who_asks_twice_in_a_row_is_asked_as_well_because_it_may_not_hear_us() -> None:
    earshot = Earshot(CONFIG)
    earshot.asked(BOB, MEMBERS, 10.0)
    earshot.asked(BOB, MEMBERS, 15.0)  # Its turn, by chance.
    assert earshot.deadline() == math.inf
    earshot.asked(BOB, MEMBERS, 17.5)
    assert earshot.ask_again(PATIENCE_S, 17.5) == [BOB]
    assert asked_again(earshot, 23.1) == [20.0, 22.5]
    assert (earshot.out_of(BOB), earshot.hears(BOB)) == (True, True)


@given(st.lists(st.tuples(st.integers(0, 3 * ASKERS_MAX), st.floats(0.0, 5.0))))
def test_whoever_asks_nothing_grows_without_bound(questions: list[tuple[int, float]]) -> None:
    earshot, now = Earshot(CONFIG), 0.0
    for number, pause_s in questions:
        now += pause_s
        earshot.asked(NodeId(number.to_bytes(16, "big")), MEMBERS, now)
        earshot.check()


@given(st.lists(st.sampled_from(["missed", "asked", "answered", "forget"])))
def test_only_misses_without_an_answer_behind_them_count(steps: list[str]) -> None:
    since = len(steps) - max([at for at, step in enumerate(steps) if step in ("answered", "forget")], default=-1)
    assert after(*steps).out_of(BOB) is (steps[len(steps) - since + 1 :].count("missed") >= MISSES)


def test_two_that_ask_each_other_because_they_were_asked_come_to_rest() -> None:
    """Each question that comes back at once is a question to the other side; all are answered."""
    one, other = Earshot(CONFIG), Earshot(CONFIG)
    asks, now = [(one, other)] * 3 + [(other, one)] * 3, 10.0
    asked = 0
    while asks:
        asker, target = asks.pop(0)
        asked, now = asked + 1, now + 0.001
        assert asked < 30
        target.asked(BOB, MEMBERS, now)
        asker.answered(BOB)
        if target.ask_again(PATIENCE_S, now):
            asks.append((target, asker))
    assert asked > 6
