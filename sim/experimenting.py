"""The command `mesh-sim experiment`: measure, keep what is finished, and write the account.

Invariant: exit status 0 means that every cell was measured, whatever the figures are, and 1 that a cell broke; a finished cell is
on disk before anybody hears of it.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from mesh.errors import UsageError
from sim.experiments.catalogue import NAMES, edition, find_experiment
from sim.experiments.plan import Cell, Experiment
from sim.experiments.results import Finding, Measured, Results
from sim.experiments.running import Ran, run_cells
from sim.experiments.shelf import Finished, Shelf, write_whole
from sim.extras import ACCOUNTS, need
from sim.provenance import provenance


def run_experiment(
    name: str | None = None,
    /,
    *,
    out: Path | None = None,
    seeds: int | None = None,
    workers: int | None = None,
    dask: str | None = None,
    only: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    quick: Annotated[bool, Parameter(negative=())] = False,
    list_all: Annotated[bool, Parameter(name="--list", negative=())] = False,
) -> int:
    """Measure published figures, or bars of the mesh's own, with the real peers.

    What is finished stays in the folder: the same command goes on where a run was stopped or killed.

    Parameters
    ----------
    name
        An experiment (see --list), or the path of a Python file with one of your own.
    out
        The folder for data, plots and the report.
    seeds
        So many seeds for every point, instead of what the experiment says.
    workers
        How many processes at once; without it, one per core.
    dask
        The address of a Dask scheduler whose workers do it instead, as tcp://HOST:8786.
    only
        Only points with this parameter, as nodes=64; may be given several times, for one parameter or several. The report is of all
        that is finished then.
    quick
        A small version that shows within seconds that all of it works, and measures nothing.
    list_all
        List the experiments with the bar that each decides on.
    """
    console = Console(soft_wrap=True, highlight=False)
    if list_all:
        console.print(_listing())
        return 0
    if name is None or out is None:
        raise UsageError(
            "a name and --out DIR were expected", field="name", todo="`mesh-sim experiment --list` lists the names"
        )
    if min(1 if seeds is None else seeds, 1 if workers is None else workers) < 1:
        raise UsageError("--seeds and --workers: at least 1 was expected", field="seeds", todo="for example --seeds 5")
    return _measure(name, out, (quick, seeds, only), (workers or os.cpu_count() or 1, dask), console)


Wanted = tuple[bool, int | None, tuple[str, ...]]  # Whether a quick version, how many seeds, only which points.


def _measure(name: str, out: Path, wanted: Wanted, where: tuple[int, str | None], console: Console) -> int:
    """Measure what is wanted in so many processes, or on that cluster, and write the account."""
    experiment, (quick, seeds, only) = find_experiment(name), wanted
    cells = selected(experiment.cells(quick, seeds), only)
    need(ACCOUNTS, "an account of an experiment")
    shelf = Shelf(out, f"{name} {edition(name)}".rstrip(), provenance())
    shelf.claim()
    finished, broken = finish(cells, shelf, (name, *where), console)
    if broken:
        console.print(f"{len(broken)} of {len(cells)} cells BROKE; the others are kept", style="bold red", markup=False)
        return 1
    if only:
        finished |= shelf.take(experiment.cells(quick, seeds))
    told = [finished[cell.name] for cell in experiment.cells(quick, seeds) if cell.name in finished]
    write_account(out, name, experiment, quick, told)
    _tell(experiment, Results([Measured(one.cell, one.outcome) for one in told]), out, console)
    return 0


def selected(cells: Sequence[Cell], only: Sequence[str]) -> list[Cell]:
    """The cells whose points have one of the values given for each parameter, as `nodes=64`. Raises UsageError where none has."""
    wanted: dict[str, list[str]] = {}
    for one in only:
        key, _, value = one.partition("=")
        wanted.setdefault(key, []).append(value)
    found = [cell for cell in cells if all(str(cell.point.get(key)) in values for key, values in wanted.items())]
    if not found:
        points = dict.fromkeys(" ".join(f"{key}={value}" for key, value in cell.point.items()) for cell in cells)
        raise UsageError(
            f"--only {' --only '.join(only)}: no point is like that",
            field="only",
            todo=f"there are: {'; '.join(points)}",
        )
    return found


def finish(
    cells: Sequence[Cell], shelf: Shelf, how: tuple[str, int, str | None], console: Console
) -> tuple[dict[str, Finished], list[Ran]]:
    """Every cell by name, taken from the shelf or run; and those that broke. `how`: the experiment, the processes, the cluster."""
    finished, broken = shelf.take(cells), list[Ran]()
    todo = [cell for cell in cells if cell.name not in finished]
    if finished:
        console.print(f"{len(finished)} of {len(cells)} cells are finished already", markup=False)
    if shelf.stale:
        console.print(
            f"{shelf.stale} cells there were made by other code or versions, and are made again", markup=False
        )
    with _progress(len(cells), len(finished), console) as step:
        for ran in run_cells(how[0], todo, how[1], how[2]):
            if ran.measured is None:
                broken.append(ran)
            else:
                finished[ran.cell.name] = shelf.put(ran.measured, ran.real_s)
            step(_told(ran))
    return finished, broken


def _told(ran: Ran) -> str:
    point = " ".join(f"{key}={value}" for key, value in ran.cell.point.items())
    how = f"BROKE: {ran.broke}" if ran.measured is None else f"{ran.real_s:.1f} s"
    return f"{point} seed {ran.cell.seed}: {how}"


class _Step:
    """Tells of each cell: by a moving bar on a terminal, by a line elsewhere."""

    def __init__(self, progress: Progress, console: Console, total: int, done: int) -> None:
        self._progress, self._console, self._total, self._done = progress, console, total, done
        self._task = progress.add_task("cells", total=total, completed=done)

    def __call__(self, told: str) -> None:
        self._done += 1
        self._progress.advance(self._task)
        if not self._console.is_terminal or "BROKE" in told:
            self._console.print(f"[{self._done}/{self._total}] {told}", markup=False)


@contextmanager
def _progress(total: int, done: int, console: Console) -> Iterator[_Step]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield _Step(progress, console, total, done)


def write_account(out: Path, name: str, experiment: Experiment, quick: bool, finished: Sequence[Finished]) -> None:
    """Write data, plots and report of finished cells."""
    from sim.experiments.account import account_of  # These need the libraries of the extra `sim`.
    from sim.experiments.page import page
    from sim.experiments.plots import draw

    measured = [Measured(one.cell, one.outcome) for one in finished]
    real_s = round(sum(one.real_s for one in finished), 1)
    account, files = account_of(name, experiment, quick, measured, (provenance(), real_s))
    plots = {chart.name: draw(chart, Results(measured)) for chart in experiment.charts}
    for file, raw in files.items():
        write_whole(out / file, raw)
    for chart, drawn in plots.items():
        for suffix, raw in drawn.items():
            write_whole(out / "plots" / f"{chart}.{suffix}", raw)
    write_whole(out / "report.html", page(account, experiment, plots).encode())
    write_whole(out / "report.json", msgspec.json.format(msgspec.json.encode(account)))


def _tell(experiment: Experiment, results: Results, out: Path, console: Console) -> None:
    console.print(_found(experiment.find(results)))
    console.print(f"report: {out / 'report.html'}", markup=False)


def _found(findings: Sequence[Finding]) -> Table:
    table = Table()
    for column in ("figure", "said", "by", "measured", ""):
        table.add_column(column)
    for one in findings:
        verdict = {True: "reached", False: "MISSED", None: ""}[one.reached]
        table.add_row(one.what, one.said, one.by, one.measured, verdict)
    return table


def _listing() -> Table:
    table = Table()
    for column in ("experiment", "cells", "about", "bar"):
        table.add_column(column)
    for name in NAMES:
        experiment = find_experiment(name)
        table.add_row(name, str(len(experiment.cells(quick=False))), experiment.about, experiment.bar)
    return table


def repeat_experiment(report: Path, raw: bytes, workers: int) -> int:
    """Measure what the account in `raw`, the contents of `report`, tells of once more, and compare byte for byte."""
    need(ACCOUNTS, "an account of an experiment")
    from sim.experiments.repeating import read_account, repeat

    console = Console(soft_wrap=True, highlight=False)
    account = read_account(raw, str(report))
    with _progress(len(account.data.cells), 0, console) as step:
        found = repeat(account, report.parent, workers, lambda ran: step(_told(ran)))
    for line in found.otherwise:
        console.print(f"not as it was: {line}", markup=False)
    what = f"experiment {account.experiment}, {len(account.data.cells)} cells"
    if found.same:
        console.print(f"{what}: the same data, byte for byte: {', '.join(account.digests)}", markup=False)
        return 0
    console.print(f"{what}: OTHER DATA in {', '.join(found.differing)}", style="bold red", markup=False)
    return 1
