"""How `mesh-sim` ends: one message for people, and an exit status for scripts.

Invariant: 0 means that all was as promised, 1 that a promise was broken, 2 that what was asked for makes no sense or can't be done
here, 70 that the simulator itself is wrong, 130 Ctrl-C; no traceback reaches a user who has not asked for one.
"""

import os
import sys
from collections.abc import Callable

from rich.console import Console

from mesh.errors import UsageError

SENSELESS = 2
OURS = 70  # EX_SOFTWARE of sysexits.h: a script must not take it for a check that failed.
INTERRUPTED = 130  # 128 + SIGINT, as shells say it.
SHOW = "MESH_TRACEBACK"


def status_of(work: Callable[[], object]) -> int:
    """The exit status of `work`. What went wrong is said on stderr."""
    try:
        status = work()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `mesh-sim list | head` has seen enough.
        _forget_output()
        return 1
    except Exception as error:
        if os.environ.get(SHOW):
            raise
        return _explain(error)
    return status if isinstance(status, int) else 0


def _explain(error: Exception) -> int:
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    match error:
        case UsageError(todo=todo):
            told = f"\n{todo[0].upper()}{todo[1:]}." if todo else ""
            console.print(f"mesh-sim: {error}{told}", markup=False)
            return SENSELESS
        case OSError(strerror=str() as reason):
            _forget_output()
            console.print(f"mesh-sim: {error.filename or 'the output'}: {reason}", markup=False)
            return SENSELESS
        case _:
            what = f"this is a mistake of ours ({type(error).__name__}: {error})"
            console.print(f"mesh-sim: {what}. Set {SHOW}=1 to see where it happened, and report it", markup=False)
            return OURS


def _forget_output() -> None:
    """Nobody reads stdout any more, or it takes nothing: Python shall not say so once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
