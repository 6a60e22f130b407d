from math import inf
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mesh.errors import Refused
from mesh.model.lifecycle import Action, UnitState, step
from mesh.model.resolve import UnitSpec
from mesh.supervision import (
    RETRY_S_MAX,
    RETRY_S_MIN,
    STEADY_S,
    Adopt,
    Effect,
    Perform,
    Retire,
    Supervision,
    Tick,
    UnitReported,
    UnitRetired,
    UnitUnwanted,
    UnitWanted,
)

S, A = UnitState, Action
SPEC = UnitSpec(unit="u")


def supervision(**run_ids: int) -> Supervision:
    return Supervision(Random(1), run_ids)


def wanted(desired: UnitState, spec: UnitSpec = SPEC) -> UnitWanted:
    return UnitWanted("u", desired, spec)


def started(core: Supervision, now: float = 0.0) -> Supervision:
    core.handle(wanted(S.START), now)
    core.handle(UnitReported("u", S.INIT, "", A.INIT), now)
    core.handle(UnitReported("u", S.START, "", A.START), now)
    return core


def test_a_wanted_unit_is_brought_to_its_state_one_action_at_a_time() -> None:
    core = supervision()
    assert core.handle(wanted(S.START), 0) == [Adopt("u", SPEC), Perform("u", A.INIT, 0)]
    assert core.handle(Tick(), 1) == []
    assert core.handle(UnitReported("u", S.INIT, "", A.INIT), 2) == [Perform("u", A.START, 1)]
    assert core.handle(UnitReported("u", S.START, "", A.START), 3) == []
    assert core.deadline() == inf


def test_a_unit_wanted_deinitialized_is_adopted_and_left_alone() -> None:
    assert supervision().handle(wanted(S.DEINIT), 0) == [Adopt("u", SPEC)]


def test_the_run_id_grows_by_one_at_each_start() -> None:
    core = started(supervision(u=41))
    assert core.run_id("u") == 42
    assert core.handle(wanted(S.STOP), 1) == [Perform("u", A.STOP, 42)]
    core.handle(UnitReported("u", S.STOP, "", A.STOP), 2)
    assert core.handle(wanted(S.START), 3) == [Perform("u", A.START, 43)]


def test_a_changed_mind_waits_for_the_outstanding_action() -> None:
    core = supervision()
    core.handle(wanted(S.START), 0)
    assert core.handle(wanted(S.DEINIT), 1) == []
    assert core.handle(UnitReported("u", S.INIT, "", A.INIT), 2) == [Perform("u", A.DEINIT, 0)]


def test_a_new_specification_is_handed_on_without_a_restart() -> None:
    core = started(supervision())
    spec = UnitSpec(unit="u", implementation="New")
    assert core.handle(wanted(S.START, spec), 1) == [Adopt("u", spec)]
    assert core.handle(wanted(S.START, spec), 2) == []


def test_a_recoverable_error_is_recovered_after_a_pause() -> None:
    core = started(supervision())
    assert core.handle(UnitReported("u", S.RECOVERABLE_ERROR, "trip"), 10) == []
    assert 10 + RETRY_S_MIN <= core.deadline() <= 10 + 1.25 * RETRY_S_MIN
    assert core.handle(Tick(), core.deadline()) == [Perform("u", A.RECOVER, 1)]


def test_a_fatal_error_is_initialized_again_after_growing_pauses() -> None:
    core, now, pauses = started(supervision()), 0.0, []
    core.handle(UnitReported("u", S.FATAL_ERROR, "dead"), now)
    for _ in range(12):
        pauses.append(core.deadline() - now)
        now = core.deadline()
        assert core.handle(Tick(), now) == [Perform("u", A.INIT, 1)]
        core.handle(UnitReported("u", S.FATAL_ERROR, "still dead", A.INIT), now)
    assert pauses[0] < pauses[3] < pauses[5]
    assert all(RETRY_S_MIN - 1e-9 <= pause <= RETRY_S_MAX + 1e-9 for pause in pauses)
    assert pauses[-1] >= RETRY_S_MAX * 0.75


def test_failures_are_forgotten_only_after_a_steady_time() -> None:
    def pause_after_a_run_of(steady_s: float) -> float:
        core = supervision()
        core.handle(wanted(S.INIT), 0)
        for _ in range(6):
            core.handle(
                UnitReported("u", S.FATAL_ERROR, "dead", A.INIT), core.deadline() if core.deadline() < inf else 0
            )
            now = core.deadline()
            core.handle(Tick(), now)
        core.handle(UnitReported("u", S.INIT, "", A.INIT), now)
        core.handle(UnitReported("u", S.FATAL_ERROR, "again"), now + steady_s)
        return core.deadline() - now - steady_s

    assert pause_after_a_run_of(STEADY_S) < 2
    assert pause_after_a_run_of(STEADY_S / 2) > 30


def test_a_person_who_changes_the_desired_state_does_not_wait_for_the_pause() -> None:
    core = started(supervision())
    core.handle(UnitReported("u", S.RECOVERABLE_ERROR, "trip"), 10)
    assert core.handle(wanted(S.STOP), 10.1) == [Perform("u", A.STOP, 1)]


def test_a_refused_action_is_not_repeated_at_once() -> None:
    core = supervision()
    core.handle(wanted(S.START), 0)
    assert core.handle(UnitReported("u", S.DEINIT, "refused", A.INIT), 1) == []
    assert core.deadline() >= 1 + RETRY_S_MIN


def test_an_error_of_its_own_does_not_make_a_second_action() -> None:
    core = started(supervision())
    core.handle(wanted(S.STOP), 1)
    core.handle(UnitReported("u", S.FATAL_ERROR, "crash"), 2)
    assert core.handle(Tick(), 100) == []
    assert core.handle(UnitReported("u", S.FATAL_ERROR, "refused", A.STOP), 100) == []
    assert core.handle(Tick(), core.deadline()) == [Perform("u", A.INIT, 1)]


def test_an_unwanted_unit_is_retired_and_forgotten() -> None:
    core = started(supervision())
    assert core.handle(UnitUnwanted("u"), 1) == [Retire("u")]
    assert core.handle(UnitUnwanted("u"), 2) == []
    assert core.handle(UnitRetired("u"), 3) == []
    assert core.wanted() == []
    assert core.handle(UnitReported("u", S.START, "", None), 4) == []


def test_a_unit_is_retired_only_after_its_outstanding_action() -> None:
    core = supervision()
    core.handle(wanted(S.START), 0)
    assert core.handle(UnitUnwanted("u"), 1) == []
    assert core.handle(UnitReported("u", S.INIT, "", A.INIT), 2) == [Retire("u")]


def test_a_unit_wanted_again_while_it_retires_begins_anew() -> None:
    core = started(supervision())
    core.handle(UnitUnwanted("u"), 1)
    assert core.handle(wanted(S.START), 2) == []
    assert core.handle(UnitRetired("u"), 3) == [Adopt("u", SPEC), Perform("u", A.INIT, 1)]


@pytest.mark.parametrize("event", [UnitUnwanted("x"), UnitRetired("x"), UnitReported("x", S.INIT), Tick()])
def test_news_of_strangers_is_ignored(event: UnitUnwanted | UnitRetired | UnitReported | Tick) -> None:
    assert supervision().handle(event, 0) == []


class Plant(RuleBasedStateMachine):
    """A host that works or fails at random, and people who change their minds."""

    def __init__(self) -> None:
        super().__init__()
        self.core = Supervision(Random(0), {})
        self.now = 0.0
        self.state = S.DEINIT
        self.hosted = False
        self.orders: list[Perform | Retire] = []
        self.run_ids: list[int] = []
        self.desired: UnitState | None = None

    def take(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Adopt():
                    self.hosted = True
                case Perform(_, action, run_id):
                    self.orders.append(effect)
                    self.run_ids += [run_id] if action is A.START else []
                case Retire():
                    self.orders.append(effect)

    @rule(desired=st.sampled_from([S.DEINIT, S.INIT, S.START, S.STOP]))
    def want(self, desired: UnitState) -> None:
        self.desired = desired
        self.take(self.core.handle(wanted(desired), self.now))

    @rule()
    def unwant(self) -> None:
        self.desired = None
        self.take(self.core.handle(UnitUnwanted("u"), self.now))

    @rule(fault=st.sampled_from([None, None, A.RECOVERABLE_ERROR, A.FATAL_ERROR]))
    def obey(self, fault: Action | None) -> None:
        if self.orders:
            self.take(self.core.handle(self.result(self.orders.pop(0), fault), self.now))

    def result(self, order: Perform | Retire, fault: Action | None) -> UnitReported | UnitRetired:
        if isinstance(order, Retire):
            self.hosted, self.state = False, S.DEINIT
            return UnitRetired("u")
        assert self.hosted
        try:
            self.state = step(self.state, fault or order.action, S.INIT)
        except Refused as refused:
            return UnitReported("u", self.state, refused.message, order.action)
        return UnitReported("u", self.state, "failed" if fault else "", order.action)

    @rule()
    def crash(self) -> None:
        if self.state == S.START:
            self.state = S.FATAL_ERROR
            self.take(self.core.handle(UnitReported("u", self.state, "crash"), self.now))

    @rule()
    def wait(self) -> None:
        if self.core.deadline() < inf:
            self.now = max(self.now, self.core.deadline())
            self.take(self.core.handle(Tick(), self.now))

    @invariant()
    def at_most_one_action_is_outstanding(self) -> None:
        self.core.check()
        assert len(self.orders) <= 1
        assert self.run_ids == list(range(1, len(self.run_ids) + 1))

    def teardown(self) -> None:
        for _ in range(40):
            self.obey(None)
            self.wait()
        assert self.desired is None or self.state == self.desired
        assert self.desired is not None or not self.hosted


TestPlant = Plant.TestCase
TestPlant.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
