"""The control unit's state machine (!CHAOS `SWEService.h`, `AbstractControlUnit.cpp`).

Invariant: `TABLE` is the only place that knows a transition. A pair that is not in it is refused.
"""

from collections.abc import Mapping
from enum import IntEnum, StrEnum

from mesh.errors import Refused


class UnitState(IntEnum):
    """The states, with the codes of !CHAOS."""

    DEINIT = 0
    INIT = 1
    START = 2
    STOP = 3
    RECOVERABLE_ERROR = 4
    FATAL_ERROR = 5


class Action(StrEnum):
    """What moves a unit: five requests, and two things that happen to it."""

    INIT = "init"
    START = "start"
    STOP = "stop"
    DEINIT = "deinit"
    RECOVER = "recover"
    RECOVERABLE_ERROR = "recoverable_error"
    FATAL_ERROR = "fatal_error"


class Rule(StrEnum):
    """Answers of the table that are no state."""

    NOTHING = "nothing"  # already there
    RECOVER_FIRST = "recover first"
    GO_BACK = "go back"  # to the state before the error


ERRORS = frozenset({UnitState.RECOVERABLE_ERROR, UnitState.FATAL_ERROR})

S, A = UnitState, Action
TABLE: Mapping[tuple[UnitState, Action], UnitState | Rule] = {
    (S.DEINIT, A.INIT): S.INIT,
    (S.DEINIT, A.RECOVERABLE_ERROR): S.RECOVERABLE_ERROR,
    (S.DEINIT, A.FATAL_ERROR): S.FATAL_ERROR,
    (S.INIT, A.INIT): Rule.NOTHING,
    (S.INIT, A.START): S.START,
    (S.INIT, A.DEINIT): S.DEINIT,
    (S.INIT, A.RECOVERABLE_ERROR): S.RECOVERABLE_ERROR,
    (S.INIT, A.FATAL_ERROR): S.FATAL_ERROR,
    (S.START, A.START): Rule.NOTHING,
    (S.START, A.STOP): S.STOP,
    (S.START, A.RECOVERABLE_ERROR): S.RECOVERABLE_ERROR,
    (S.START, A.FATAL_ERROR): S.FATAL_ERROR,
    (S.STOP, A.START): S.START,
    (S.STOP, A.DEINIT): S.DEINIT,
    (S.STOP, A.RECOVERABLE_ERROR): S.RECOVERABLE_ERROR,
    (S.STOP, A.FATAL_ERROR): S.FATAL_ERROR,
    (S.RECOVERABLE_ERROR, A.INIT): Rule.RECOVER_FIRST,
    (S.RECOVERABLE_ERROR, A.START): Rule.RECOVER_FIRST,
    (S.RECOVERABLE_ERROR, A.STOP): S.STOP,
    (S.RECOVERABLE_ERROR, A.DEINIT): S.DEINIT,
    (S.RECOVERABLE_ERROR, A.RECOVER): Rule.GO_BACK,
    (S.FATAL_ERROR, A.INIT): S.INIT,
}

# The next action on the shortest way; None where the unit has arrived. Desired states are the first four.
WAYS: Mapping[UnitState, Mapping[UnitState, Action | None]] = {
    S.DEINIT: {S.DEINIT: None, S.INIT: A.INIT, S.START: A.INIT, S.STOP: A.INIT},
    S.INIT: {S.DEINIT: A.DEINIT, S.INIT: None, S.START: A.START, S.STOP: A.START},
    S.START: {S.DEINIT: A.STOP, S.INIT: A.STOP, S.START: None, S.STOP: A.STOP},
    S.STOP: {S.DEINIT: A.DEINIT, S.INIT: A.DEINIT, S.START: A.START, S.STOP: None},
    S.RECOVERABLE_ERROR: {S.DEINIT: A.DEINIT, S.INIT: A.RECOVER, S.START: A.RECOVER, S.STOP: A.STOP},
    S.FATAL_ERROR: {S.DEINIT: A.INIT, S.INIT: A.INIT, S.START: A.INIT, S.STOP: A.INIT},
}

WORDS: Mapping[UnitState, str] = {
    S.DEINIT: "Deinit",
    S.INIT: "Init",
    S.START: "Start",
    S.STOP: "Stop",
    S.RECOVERABLE_ERROR: "Recoverable Error",
    S.FATAL_ERROR: "Fatal Error",
}
"""What `nh_status` says in a state."""

WORDS_ON_THE_WAY: Mapping[Action, str] = {
    A.INIT: "Initializing",
    A.START: "Starting",
    A.STOP: "Stopping",
    A.DEINIT: "Deinitializing",
    A.RECOVER: "Recoverable Error",  # !CHAOS has no word for recovering.
}
"""What `nh_status` says while an action runs."""


def step(state: UnitState, action: Action, before_error: UnitState = UnitState.DEINIT) -> UnitState:
    """The state after `action`; the same state where the action has nothing to do (`init` in INIT).

    `before_error` is the state held before RECOVERABLE_ERROR, to which `recover` returns.
    Raises Refused where !CHAOS has no such transition; nothing has changed then.
    """
    match TABLE.get((state, action)):
        case UnitState() as after:
            return after
        case Rule.NOTHING:
            return state
        case Rule.GO_BACK:
            return before_error
        case Rule.RECOVER_FIRST:
            raise _refused(state, action, "the unit needs recovery: recover, stop or deinit it first")
        case None:
            raise _refused(state, action, f"possible now: {', '.join(possible(state)) or 'nothing'}")


def possible(state: UnitState) -> list[Action]:
    """The requests that a unit in `state` takes."""
    return [
        action
        for (held, action), rule in TABLE.items()
        if held == state and rule is not Rule.RECOVER_FIRST and action not in (A.RECOVERABLE_ERROR, A.FATAL_ERROR)
    ]


def way(current: UnitState, desired: UnitState) -> Action | None:
    """The next action that leads from one state to another, or None on arrival. `desired` is no error state.

    A unit that is wanted stopped or deinitialized is not recovered first, since !CHAOS allows both in RECOVERABLE_ERROR.
    There is no way to STOP but through START, and none out of FATAL_ERROR but through INIT.
    """
    return WAYS[current][desired]


def _refused(state: UnitState, action: Action, todo: str) -> Refused:
    return Refused(
        f"{action} is not possible in {state.name}: {todo}",
        field="action",
        rule="the !CHAOS control unit state machine",
        todo=todo,
    )
