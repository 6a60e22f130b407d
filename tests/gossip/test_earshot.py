"""Earshot: who does not answer directly, and whether it is heard all the same."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.gossip.earshot import MISSES, Earshot
from tests.gossip.circle import node

BOB = node("bob")


def after(*steps: str) -> Earshot:
    earshot = Earshot()
    for step in steps:
        getattr(earshot, step)(BOB)
        earshot.check()
    return earshot


def test_a_few_unanswered_questions_in_a_row_are_told_once() -> None:
    earshot = Earshot()
    assert [earshot.missed(BOB) for _ in range(MISSES + 2)] == [*[False] * (MISSES - 1), True, False, False]
    assert earshot.out_of(BOB)


def test_one_answer_ends_it_however_late() -> None:
    assert not after(*["missed"] * 9, "answered").out_of(BOB)
    assert not after("missed", "missed", "answered", "missed").out_of(BOB)


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


@given(st.lists(st.sampled_from(["missed", "asked", "answered", "forget"])))
def test_only_misses_without_an_answer_behind_them_count(steps: list[str]) -> None:
    since = len(steps) - max([at for at, step in enumerate(steps) if step in ("answered", "forget")], default=-1)
    assert after(*steps).out_of(BOB) is (steps[len(steps) - since + 1 :].count("missed") >= MISSES)
