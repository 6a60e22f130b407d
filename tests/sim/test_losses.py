"""Bursts last as long as they should and lose what they should; rules concern whom they say.

Invariant: shares are compared with those of the two-state Markov chain, on a fixed seed.
"""

from math import exp, sqrt
from random import Random

import pytest

from sim.losses import BurstLoss, Bursts, Rule, Rules, chance_of

MODEL = Bursts(good_s=9.0, bad_s=1.0, good_loss=0.0, bad_loss=1.0)


def states(step_s: float, count: int, model: Bursts = MODEL) -> list[bool]:
    bursts = BurstLoss(model, Random(1))
    return [bursts.chance(0, 1, number * step_s) == 1.0 for number in range(count)]


def test_the_share_of_bad_time_is_that_of_the_stationary_chain() -> None:
    seen = states(100.0, 20_000)  # So far apart they are independent.
    assert abs(sum(seen) - 2_000) <= 4 * sqrt(20_000 * 0.1 * 0.9)


@pytest.mark.parametrize("step_s", [0.05, 0.5, 2.0])
def test_a_bad_spell_goes_on_as_often_as_the_chain_says(step_s: float) -> None:
    seen = states(step_s, 60_000)
    after_bad = [seen[number + 1] for number in range(len(seen) - 1) if seen[number]]
    stays = 0.1 + 0.9 * exp(-(1 / 9 + 1.0) * step_s)
    assert abs(sum(after_bad) - len(after_bad) * stays) <= 4 * sqrt(len(after_bad) * stays * (1 - stays))


def test_spells_belong_to_links_or_to_ends() -> None:
    for at, together in (("link", (0, 1)), ("sender", (0, 7)), ("receiver", (7, 1))):
        bursts = BurstLoss(Bursts(good_s=1e9, bad_s=1e9, bad_loss=1.0, at=at), Random(3))  # type: ignore[arg-type]
        seen = [bursts.chance(*ends, 1.0) for ends in ((0, 1), together, (0, 1))]
        assert len(set(seen)) == 1


def test_a_rule_concerns_one_direction_or_both() -> None:
    sick = frozenset({3})
    found = {
        way: [Rule(sick, 1.0, way).concerns(*ends) for ends in ((3, 5), (5, 3), (5, 6))]
        for way in ("in", "out", "both")
    }  # type: ignore[arg-type]
    assert found == {"in": [False, True, False], "out": [True, False, False], "both": [True, True, False]}


def test_a_rule_may_concern_only_some_others() -> None:
    rule = Rule(frozenset({3}), 1.0, others=frozenset({5}))
    assert [rule.concerns(*ends) for ends in ((3, 5), (5, 3), (3, 6), (6, 3))] == [True, True, False, False]


def test_rules_of_both_planes_add_up_and_go() -> None:
    rules, everything = Rules(), Rule(frozenset({1}), 0.5)
    datagrams, streams = Rule(frozenset({1}), 0.5, plane="datagrams"), Rule(frozenset({1}), 1.0, plane="streams")
    for rule in (everything, datagrams, streams):
        rules.add(rule)
    assert (chance_of(rules.datagrams, 1, 2), chance_of(rules.streams, 1, 2)) == (0.75, 1.0)
    rules.remove(everything)
    rules.remove(everything)
    assert (chance_of(rules.datagrams, 1, 2), chance_of(rules.datagrams, 2, 3)) == (0.5, 0.0)
