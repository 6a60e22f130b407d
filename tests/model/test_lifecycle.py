import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import Refused
from mesh.model.lifecycle import ERRORS, WORDS, WORDS_ON_THE_WAY, Action, UnitState, possible, step, way

STATES = ("DEINIT", "INIT", "START", "STOP")
# chaos-domain.md §1.5, cell by cell: the state after, '.' for a no-op, '-' for refused, 'r' for "needs recovery".
SHEET = """
                   init   start  stop   deinit  recover  recoverable_error  fatal_error
DEINIT             INIT   -      -      -       -        RECOVERABLE_ERROR  FATAL_ERROR
INIT               .      START  -      DEINIT  -        RECOVERABLE_ERROR  FATAL_ERROR
START              -      .      STOP   -       -        RECOVERABLE_ERROR  FATAL_ERROR
STOP               -      START  -      DEINIT  -        RECOVERABLE_ERROR  FATAL_ERROR
RECOVERABLE_ERROR  r      r      STOP   DEINIT  before   -                  -
FATAL_ERROR        INIT   -      -      -       -        -                  -
"""
HEAD, *ROWS = [line.split() for line in SHEET.strip().splitlines()]
CELLS = [(row[0], action, cell) for row in ROWS for action, cell in zip(HEAD, row[1:], strict=True)]


def outcome(state: UnitState, action: Action, before_error: UnitState) -> str:
    try:
        after = step(state, action, before_error)
    except Refused as refused:
        return "r" if "needs recovery" in refused.message else "-"
    return "." if after == state else after.name


@pytest.mark.parametrize(("state", "action", "cell"), CELLS)
def test_the_table_is_that_of_chaos(state: str, action: str, cell: str) -> None:
    expected = "STOP" if cell == "before" else cell
    assert outcome(UnitState[state], Action(action), UnitState.STOP) == expected


def test_the_sheet_covers_every_cell() -> None:
    assert len(CELLS) == len(UnitState) * len(Action)


@pytest.mark.parametrize("before", STATES)
def test_recover_goes_back_to_the_state_before_the_error(before: str) -> None:
    assert step(UnitState.RECOVERABLE_ERROR, Action.RECOVER, UnitState[before]) is UnitState[before]


@given(st.sampled_from(UnitState), st.sampled_from(STATES), st.sampled_from(STATES))
def test_the_way_always_arrives(current: UnitState, desired: str, before_error: str) -> None:
    for _ in range(6):
        action = way(current, UnitState[desired])
        if action is None:
            break
        current = step(current, action, UnitState[before_error])
    assert current is UnitState[desired]


@pytest.mark.parametrize("state", list(UnitState))
def test_what_is_said_to_be_possible_is_not_refused(state: UnitState) -> None:
    for action in possible(state):
        step(state, action)


def test_the_codes_and_words_are_those_of_chaos() -> None:
    assert [state.value for state in UnitState] == [0, 1, 2, 3, 4, 5]
    assert [WORDS[state] for state in UnitState] == [
        *("Deinit", "Init", "Start", "Stop"),
        *("Recoverable Error", "Fatal Error"),
    ]
    assert WORDS_ON_THE_WAY[Action.INIT] == "Initializing"
    assert {UnitState.RECOVERABLE_ERROR, UnitState.FATAL_ERROR} == ERRORS
