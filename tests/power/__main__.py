"""Cut the power as often as one likes: `python -m tests.power [--cuts N] [--seed N] [--mode MODE] [--liar] [--first]`.

Prints what the cuts left. The exit code is 1 where anything was wrong.
"""
# ruff: noqa: T201  (printing is this script's work)

import argparse
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.power.trial import build_recorder, compiler, first_opening, record_run, try_cuts


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.power", description="Power cuts on a recorded disk.")
    parser.add_argument("--cuts", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mode", choices=("durable", "soft", "careless"), default="durable")
    parser.add_argument("--liar", action="store_true", help="the disk only claims to have stored what was synced")
    parser.add_argument("--first", action="store_true", help="cut only before anything was promised")
    chosen = parser.parse_args()
    if compiler() is None:
        sys.exit(
            "a C compiler named `cc` on Linux was expected: the recorder is preloaded into the process that writes"
        )
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        entries = record_run(place, build_recorder(place), chosen.mode, liar=chosen.liar)
        entries = first_opening(entries) if chosen.first else entries
        trial = try_cuts(place, entries, chosen.cuts, Random(chosen.seed), durable=chosen.mode != "soft")
    print(
        f"{trial.cuts} cuts over {len(entries)} calls in {time.monotonic() - started:.0f} s: {dict(trial.faults) or 'all well'}"
    )
    for fault, example in trial.examples.items():
        print(f"  {fault}: {example}")
    return 1 if trial.faults else 0


if __name__ == "__main__":
    sys.exit(main())
