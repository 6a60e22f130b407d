"""Commands for people who hunt for faults.

Invariant: exit status 0 means that everything asked for was done and kept its promise, 1 that a promise was broken; whatever is
written to disk can be run again from there alone.
"""

import os
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from mesh.errors import UsageError
from sim.experimenting import repeat_experiment
from sim.experiments.kind import is_account
from sim.library import load
from sim.report import Stopwatch, as_json
from sim.reproduce import read_report, reproduce
from sim.scenario import Scenario
from sim.shrink import TRIES, Shrunk, shrink
from sim.soak import TRIES as SOAK_TRIES
from sim.soak import Hunter, Soaked, soak
from sim.writing import as_toml


def shrink_one(
    scenario: str,
    /,
    *,
    seed: int,
    out: Path,
    tries: float = TRIES,
    changes: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
) -> int:
    """Make a failing run as small as it can be and still fail in the same way.

    Parameters
    ----------
    scenario
        The path of a TOML file, the name of a packaged scenario, or `swarm:7`.
    seed
        The seed with which it fails.
    out
        Where the small scenario is written, as TOML.
    tries
        At most the work of so many runs like the first; small ones count little.
    changes
        Change a value of the scenario, as in `mesh-sim run`.
    """
    console = Console(soft_wrap=True, highlight=False)
    small = shrink(load(scenario, changes), seed, tries=tries, tell=lambda found: console.print(in_short(found)))
    write_text(out, failing_toml(small))
    tell_shrunk(small, out, console)
    return 0


def soak_swarms(
    *,
    minutes: float,
    jobs: int | None = None,
    first: int = 1,
    out: Path = Path("soak"),
) -> int:
    """Run random scenarios (see `sim/swarm.py`) until the time is over, and shrink each that fails.

    Parameters
    ----------
    minutes
        How long seeds are begun; those that run then are finished.
    jobs
        How many processes at once; without it, one per core.
    first
        The first seed; the others follow.
    out
        The folder where a failure's small scenario and report are written.
    """
    jobs = os.cpu_count() or 1 if jobs is None else jobs
    if jobs < 1 or minutes <= 0.0:
        raise UsageError(
            "--minutes and --jobs: more than 0 was expected", field="jobs", todo="for example --minutes 10"
        )
    _try(out)
    watch, console = Stopwatch(), Console(soft_wrap=True, highlight=False)
    runs = messages = failed = 0
    for soaked in soak(first, jobs, lambda: watch.seconds() < minutes * 60.0, Hunter()):
        if soaked.small is not None:
            _keep(soaked.seed, soaked.small, out, console)
            continue
        runs, messages, failed = runs + 1, messages + soaked.messages, failed + bool(soaked.failures)
        _tell_soaked(soaked, console)
    verdict = f"{failed} FAILED" if failed else "all passed"
    console.print(
        f"{runs} seeds from {first} on, {messages:,} messages, {watch.seconds():.0f} s: {verdict}", markup=False
    )
    return 1 if failed else 0


def _try(out: Path) -> None:
    """See that a folder takes files, before an hour's work, and leave none where none was. Raises UsageError."""
    make_folder(out)
    write_text(out / "try", "")
    (out / "try").unlink()
    with suppress(OSError):
        out.rmdir()


def _tell_soaked(soaked: Soaked, console: Console) -> None:
    size = f"{soaked.nodes} nodes, {soaked.sim_s:g} s, {soaked.messages:,} messages"
    if not soaked.failures:
        console.print(f"seed {soaked.seed}: passed ({size})", markup=False)
        return
    console.print(f"seed {soaked.seed} FAILED ({size})", style="bold red", markup=False)
    for failure in soaked.failures:
        console.print(f"  {failure}", markup=False)
    console.print(f"again with: mesh-sim run swarm:{soaked.seed} --seed {soaked.seed}", markup=False)
    if soaked.shrinks:
        console.print(
            f"seed {soaked.seed} is being made small, with the work of at most {SOAK_TRIES:g} runs like it",
            markup=False,
        )


def _keep(seed: int, small: Shrunk, out: Path, console: Console) -> None:
    make_folder(out)
    path = out / f"seed-{seed}.toml"
    write_text(path, failing_toml(small))
    write_text(path.with_suffix(".json"), as_json(small.report))
    console.print(f"seed {seed}, made small:", markup=False)
    tell_shrunk(small, path, console)


def reproduce_report(report: Path, /, *, workers: int | None = None) -> int:
    """Run once more what a report tells of, and compare byte for byte.

    Parameters
    ----------
    report
        A file with what `mesh-sim run … --json` printed, or the report.json of an experiment.
    workers
        How many processes measure an experiment's cells; without it, one per core.
    """
    console = Console(soft_wrap=True, highlight=False)
    try:
        raw = report.read_bytes()
    except OSError as error:
        raise UsageError(f"{report}: can't read it: {error.strerror}", field="report", todo="check the path") from None
    if is_account(raw):
        return repeat_experiment(report, raw, workers or os.cpu_count() or 1)
    then = read_report(raw, str(report))
    found = reproduce(then)
    for line in found.otherwise:
        console.print(f"not as it was: {line}", markup=False)
    what = f"{then.scenario} with seed {then.seed}"
    if found.same:
        console.print(f"{what}: the same data, byte for byte; trace {then.trace_hash}", markup=False)
        return 0
    why = (
        ""
        if found.otherwise
        else ", with the same code and versions: one seed must give one run, so this is a fault of ours"
    )
    console.print(f"{what}: OTHER DATA in {', '.join(found.differing)}{why}", style="bold red", markup=False)
    return 1


def in_short(scenario: Scenario) -> str:
    """A scenario's size, in a line."""
    kinds = ", ".join(type(fault).__name__ for fault in scenario.faults) or "no faults"
    writes = f"{scenario.workload.writes_per_s:g} writes/s"
    return f"  {scenario.nodes} nodes, {scenario.seconds:g} s, {writes}, {len(scenario.faults)} faults ({kinds})"


def failing_toml(small: Shrunk) -> str:
    """A file that says with which seed it fails, and how; the seed is often another one than that of the run it was made from."""
    failures = "".join(f"# {failure}\n" for failure in small.report.failures)
    return f"# Fails with --seed {small.seed}:\n{failures}{as_toml(small.scenario)}"


def tell_shrunk(small: Shrunk, path: Path, console: Console) -> None:
    """Print what a failing run was shrunk to, and how to run it."""
    console.print(f"shrunk in {small.tries} runs to", markup=False)
    console.print(in_short(small.scenario), markup=False)
    for failure in small.report.failures:
        console.print(f"  {failure}", markup=False)
    which = f"{quote(str(path))} --seed {small.seed}"
    console.print(f"again with: mesh-sim run {which}", style="bold", markup=False)
    if not small.whole:
        smaller = quote(str(path.with_stem(f"{path.stem}-smaller")))
        console.print(f"it may become smaller yet: mesh-sim shrink {which} --out {smaller}", markup=False)


def make_folder(path: Path) -> None:
    """Make a folder where there is none. Raises UsageError where that can't be done."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{path}: can't make this folder: {error.strerror}", field="out", todo="name another"
        ) from None


def write_text(path: Path, text: str) -> None:
    """Write a file. Raises UsageError where that can't be done."""
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(
            f"{path}: can't write there: {error.strerror}", field="out", todo="name another file"
        ) from None
