"""The interpreter of a node's process: short waits, and a collector that leaves alone what stays."""

import gc
import sys

from mesh.runtime.interpreter import SWITCH_INTERVAL_S, spare_the_loop


def test_threads_give_way_soon_and_what_is_loaded_is_not_collected_again() -> None:
    before = sys.getswitchinterval()
    try:
        spare_the_loop()
        assert abs(sys.getswitchinterval() - SWITCH_INTERVAL_S) < 1e-6
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        sys.setswitchinterval(before)
