"""The interpreter as a node's process needs it: threads give way soon, and the collector leaves alone what stays.

Invariant: called once, when a node is up; it changes how long others wait, and nothing else.
"""

import gc
import sys

SWITCH_INTERVAL_S = 0.0005  # A second thread that runs Python must not make the loop wait 5 ms at a time (DESIGN §3).


def spare_the_loop() -> None:
    """Bound what the loop waits for threads, and take all modules out of full collections, which cost tens of milliseconds."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
