"""`mesh demo`: five peers on this machine, a real configuration, and a live table.

Invariant: what is shown and printed was read through the peers' own API; all processes end with the command.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import msgspec
import trio
from cyclopts import Parameter
from rich.console import Console
from rich.live import Live
from rich.table import Table

from mesh.demo.readings import Reading
from mesh.demo.result import Result
from mesh.demo.story import Script, Show, Story
from mesh.errors import UsageError

PEERS_MAX = 50  # Each is a process of some 60 MB.


async def demo(
    *,
    peers: int = 5,
    import_: Annotated[Path | None, Parameter(name="--import")] = None,
    dir_: Annotated[Path | None, Parameter(name="--dir")] = None,
    for_: Annotated[float | None, Parameter(name="--for")] = None,
    crash: bool = False,
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Run a mesh of several peers on this machine and show it live.

    Parameters
    ----------
    peers
        How many peers, each a process of its own.
    import_
        A real !CHAOS export (MDSConfig); our own example by default.
    dir_
        Where the peers keep their folders; a temporary folder by default, which is removed at the end.
    for_
        How many seconds to run; until Ctrl-C by default.
    crash
        Kill one peer with SIGKILL half-way, and start it again.
    json_
        Show no table, and end with one JSON object of what was measured.
    """
    if not 2 <= peers <= PEERS_MAX:
        raise UsageError(f"2 to {PEERS_MAX} peers were expected, {peers} came", field="--peers")
    names = [f"peer-{number + 1}" for number in range(peers)]
    with _folder(dir_) as folder:
        script = Script(folder, names, import_ or _example(), for_ if for_ is not None else _endless(crash), crash)
        with _screen(json_) as show:
            result = await Story(script, show).run()
    _print(result, json_)


def _endless(crash: bool) -> float | None:
    return 60.0 if crash else None  # A crash half-way needs an end.


def _example() -> Path:
    packaged = Path(str(files("mesh"))) / "_examples" / "beamline.json"
    return packaged if packaged.exists() else Path(str(files("mesh"))).parent / "examples" / "beamline.json"


@contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    if wanted is not None:
        wanted.mkdir(parents=True, exist_ok=True)
        yield wanted
        return
    temporary = Path(tempfile.mkdtemp(prefix="mesh-demo-"))
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class _Screen:
    """The live table. Changes per second are counted between two showings."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._before: dict[str, tuple[float, int]] = {}
        self._urls_said = False

    def show(self, readings: list[Reading], note: str) -> None:
        if not self._urls_said:  # Above the table, where a narrow terminal does not cut them.
            self._urls_said = True
            self._live.console.print("\n".join(f"{reading.name}  {reading.url}" for reading in readings))
        agreed = len({reading.fingerprint for reading in readings if reading.fingerprint}) <= 1
        table = Table(
            title=f"the mesh: {note}",
            caption="all fingerprints equal" if agreed else "converging",
            title_justify="left",
        )
        for column in ("peer", "sees", "units", "batches", "changes/s", "fingerprint"):
            table.add_column(column)
        for reading in readings:
            states = ", ".join(f"{state} {count}" for state, count in sorted(reading.states.items()))
            rate = self._rate(reading)
            cells = (
                reading.name,
                str(reading.alive),
                states,
                str(reading.batches),
                f"{rate:.1f}",
                reading.fingerprint[:12],
            )
            table.add_row(*cells, style=None if reading.alive else "red")
        self._live.update(table)

    def _rate(self, reading: Reading) -> float:
        now = trio.current_time()
        then, batches = self._before.get(reading.name, (now, reading.batches))
        self._before[reading.name] = (now, reading.batches)
        return max(0, reading.batches - batches) / (now - then) if now > then else 0.0


@contextmanager
def _screen(as_json: bool) -> Iterator[Show]:
    if as_json:
        yield lambda readings, note: None
        return
    console = Console()
    console.print("starting the peers, each a process of its own ...")
    with Live(console=console, refresh_per_second=4) as live:
        yield _Screen(live).show


def _print(result: Result, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(msgspec.to_builtins(result)) + "\n")
    else:
        sys.stdout.write("\n".join(_summary(result)) + "\n")


def _summary(result: Result) -> Iterator[str]:
    """What was measured, for people."""
    for name in result.urls:
        counts = f"{result.units.get(name, 0)} units, {result.started.get(name, 0)} started, {result.moving.get(name, 0)} moving"
        yield f"{name} shows {counts}"
    yield "all fingerprints are equal" if result.converged else "the fingerprints are NOT equal"
    if (puts := result.put_to_watch_ms) is not None:
        yield f"a put is seen by a watch at another peer after {puts.p50:g} ms (median), {puts.p99:g} ms (p99 of {puts.count})"
    if (crash := result.crash) is not None:
        noticed = max(crash.detected_s.values(), default=0.0)
        yield f"{crash.peer} was killed: known to be down at {len(crash.detected_s)} peers after {noticed:.1f} s at the latest"
        yield f"{crash.acknowledged_before} writes acknowledged before the kill, {crash.lost_acknowledged} lost"
