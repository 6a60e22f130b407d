"""`python -m bench [GROUP …] [--json] [--cycles N] [--minutes M] [--seed N]`: measure, and print a line per figure."""

import argparse
import sys
from collections.abc import Iterator
from itertools import chain

import msgspec

from bench import api, calibration, durability, gossip, ledger, loop, past, reconcile, simulated, simulator
from bench.measure import Measure

GROUPS = ("ledger", "api", "loop", "gossip", "durability", "past", "sim")


def main() -> int:
    """Run the named groups, all of them by default. Exit code 0 whatever was reached: a figure is not a test."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the mesh.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    parser.add_argument("--cycles", type=int, default=durability.CYCLES, help="lives of a peer, in `durability`")
    parser.add_argument(
        "--minutes", type=float, default=durability.FOREVER, help="no new life after that, in `durability`"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the moments of the kills, in `durability`")
    chosen = parser.parse_args()
    unknown = [group for group in chosen.groups if group not in GROUPS]
    if unknown:
        parser.error(f"there is no group {unknown[0]!r}; there are {', '.join(GROUPS)}")
    for group in chosen.groups or GROUPS:
        for measure in _measures(group, chosen):
            print(_line(measure, chosen.json), flush=True)
    return 0


def _measures(group: str, chosen: argparse.Namespace) -> Iterator[Measure]:
    match group:
        case "ledger":
            return chain(ledger.measures(), reconcile.measures())
        case "api":
            return api.measures()
        case "loop":
            return loop.measures()
        case "gossip":
            return chain(gossip.measures(), calibration.measures(), simulated.measures())
        case "past":
            return past.measures()
        case "sim":
            return simulator.measures()
        case _:
            return durability.measures(chosen.cycles, chosen.minutes, chosen.seed)


def _line(measure: Measure, as_json: bool) -> str:
    if as_json:
        return msgspec.json.encode(measure).decode()
    verdict = {True: "reached", False: "NOT reached", None: ""}[measure.reached]
    bar = f" (bar {measure.bar:g})" if measure.bar is not None else ""
    return f"{measure.name}: {measure.value:g} {measure.unit}{bar} {verdict}  {measure.detail}"


if __name__ == "__main__":
    sys.exit(main())
