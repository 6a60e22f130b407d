"""When Python looks for garbage in cycles: while a mesh runs, rarely.

Invariant: afterwards it looks as often as before. What is decided here changes how long a run takes and nothing else.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG_MAX = 300_000  # Python's own is 700: messages by the thousand are under way, and hardly any is in a cycle.


@contextmanager
def rare_collections() -> Iterator[None]:
    """Leave alone what is there already, a whole mesh, and look at new objects by hundreds of thousands."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
