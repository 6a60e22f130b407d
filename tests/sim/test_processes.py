"""Processes end with the one that they work for, also where it is killed.

Invariant: what is killed here is a real process with SIGKILL; that its children have ended is seen by their end of a pipe.
"""

import signal
import subprocess
import sys

import pytest

from sim.processes import crew

WORK = """
import os, time
from sim.processes import crew
with crew(2) as pool:
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 600).result()
"""


@pytest.mark.live
def test_nobody_outlives_a_killed_process() -> None:
    running = subprocess.Popen([sys.executable, "-c", WORK], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    assert running.stdout.readline().strip().isdecimal()
    running.send_signal(signal.SIGKILL)
    assert running.stdout.read() == ""  # It ends when the last process that writes there has ended.
    running.wait()


def test_what_a_process_raises_comes_here() -> None:
    with pytest.raises(ZeroDivisionError), crew(1) as pool:
        pool.submit(divmod, 1, 0).result()
