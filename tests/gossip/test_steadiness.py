"""Steadiness: who is accused wrongly again and again is unsteady for a while, and nobody else is judged differently."""

import math

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mesh.config import PROFILES
from mesh.gossip.roster import Refuted
from mesh.gossip.steadiness import DOUBLINGS_MAX, KNOWN_MAX, PATIENCE, REFUTED_MAX, Change, Steadiness
from mesh.ids import NodeId
from mesh.messages import Standing
from tests.gossip.circle import CONFIG, node, roster

BOB = node("bob")
HOLD_S = CONFIG.hold_periods * CONFIG.probe_interval_s
MEMBERS = 100
SUSPECTED, REMOVED = Refuted(Standing.SUSPECT, 1), Refuted(Standing.DOWN, 1)


def patience(core: Steadiness, now: float, counter: int = 0) -> float:
    member = roster("ada", "bob").get(BOB)
    assert member is not None
    claimed = msgspec.structs.replace(member.claim, counter=counter)
    return core.patience_s(msgspec.structs.replace(member, claim=claimed), now)


def old() -> Steadiness:
    """Of a process that has run for long."""
    return Steadiness(CONFIG, -1e6)


def test_a_wrong_removal_or_three_refutations_make_a_member_unsteady_until_the_hold_ends() -> None:
    for refutations in ([REMOVED], [SUSPECTED] * REFUTED_MAX, [Refuted(Standing.ALIVE, REFUTED_MAX)]):
        core = old()
        changes = [core.refuted(BOB, refuted, MEMBERS, 10.0) for refuted in refutations]
        assert changes[-1] == [Change(BOB, True, HOLD_S)]
        assert all(change == [] for change in changes[:-1])
        assert patience(core, 11.0) == HOLD_S * PATIENCE
        assert core.deadline() == 10.0 + HOLD_S
        assert core.tick(core.deadline()) == [Change(BOB, False)]
        assert (core.unsteady(BOB), patience(core, 200.0)) == (False, 0.0)


def test_refutations_that_are_far_apart_say_nothing() -> None:
    core = old()
    assert all(core.refuted(BOB, SUSPECTED, MEMBERS, at * HOLD_S * 0.6) == [] for at in range(9))
    assert patience(core, 9 * HOLD_S) == 0.0


def test_each_further_removal_doubles_the_hold_up_to_a_bound_and_a_remembered_one_too() -> None:
    core, now = old(), 0.0
    core.refuted(BOB, REMOVED, MEMBERS, now)
    for doublings in range(1, DOUBLINGS_MAX + 3):
        now += 100.0
        if doublings == 2:  # It had been steady again for a moment.
            now = core.deadline()
            core.tick(now)
        core.refuted(BOB, REMOVED, MEMBERS, now)
        assert core.deadline() == now + HOLD_S * 2 ** min(doublings, DOUBLINGS_MAX)
        core.check()


def test_many_who_come_back_together_were_behind_a_cut() -> None:
    core = old()
    returns = [core.refuted(node(f"n{number}"), REMOVED, MEMBERS, 10.0 + number / 10) for number in range(30)]
    unsteady = {change.node for changes in returns[:10] for change in changes}
    assert {change.node for change in returns[10] if not change.unsteady} == unsteady
    assert not any(core.unsteady(node(f"n{number}")) for number in range(30))


def test_a_new_life_is_judged_anew() -> None:
    core = old()
    core.refuted(BOB, REMOVED, MEMBERS, 0.0)
    assert core.forget(BOB) == [Change(BOB, False)]
    assert (core.forget(BOB), core.deadline()) == ([], math.inf)


def test_a_process_that_just_started_is_patient_with_who_has_refuted_before() -> None:
    core = Steadiness(CONFIG, 0.0)
    assert patience(core, 1.0, REFUTED_MAX) == HOLD_S * PATIENCE
    assert patience(core, 1.0, REFUTED_MAX - 1) == 0.0
    assert patience(core, 9 * HOLD_S, REFUTED_MAX) == 0.0


def test_the_profiles_for_research_know_nothing_of_this() -> None:
    core = Steadiness(PROFILES["lifeguard"], 0.0)
    assert core.refuted(BOB, REMOVED, MEMBERS, 0.0) == []
    assert patience(core, 0.0, 99) == 0.0


happenings = st.lists(
    st.tuples(
        st.sampled_from(["ada", "bob", "cyd"]), st.sampled_from([SUSPECTED, REMOVED, None]), st.floats(0.0, 90.0)
    ),
    max_size=30,
)


@given(happenings)
def test_what_is_told_is_what_holds(happenings: list[tuple[str, Refuted | None, float]]) -> None:
    core, now = old(), 0.0
    told: dict[object, bool] = {}
    for name, refuted, pause_s in happenings:
        now += pause_s
        changes = core.tick(now)
        changes += core.refuted(node(name), refuted, MEMBERS, now) if refuted is not None else core.forget(node(name))
        told |= {change.node: change.unsteady for change in changes}
        assert all(core.unsteady(node(name)) == told.get(node(name), False) for name in ("ada", "bob", "cyd"))
        assert core.deadline() > now
        core.check()


def test_who_was_only_suspected_stays_unsteady_when_a_cut_heals() -> None:
    core = old()
    for _ in range(REFUTED_MAX):
        core.refuted(BOB, SUSPECTED, MEMBERS, 10.0)
    for number in range(30):
        core.refuted(node(f"n{number}"), REMOVED, MEMBERS, 11.0)
    assert core.unsteady(BOB)


def test_what_is_known_of_refutations_is_bounded() -> None:
    core = old()
    for number in range(KNOWN_MAX + 10):
        core.refuted(NodeId(number.to_bytes(16, "big")), SUSPECTED, MEMBERS, 0.0)
    core.check()


def test_who_was_unsteady_before_a_cut_is_so_after_it() -> None:
    core = old()
    for _ in range(REFUTED_MAX):
        core.refuted(BOB, SUSPECTED, MEMBERS, 10.0)
    for number in range(30):
        core.refuted(BOB if number == 3 else node(f"n{number}"), REMOVED, MEMBERS, 11.0)
    assert core.unsteady(BOB)


def test_who_comes_back_twice_does_not_keep_others_in_memory() -> None:
    core, few = old(), 10
    for name, at in (("ann", 0.0), ("bea", 1.0), ("ann", HOLD_S - 1.0)):
        core.refuted(node(name), REMOVED, few, at)
    assert core.refuted(BOB, REMOVED, few, HOLD_S + 2.0) == [Change(BOB, True, HOLD_S)]
