"""The command `mesh-sim`.

Invariant: exit status 0 means that every check passed, 1 that one failed; `endings` names the others.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Annotated, TextIO

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from mesh.errors import UsageError
from sim.endings import status_of
from sim.experimenting import run_experiment
from sim.hunting import reproduce_report, shrink_one, soak_swarms
from sim.library import load, packaged
from sim.report import Report, as_json, show
from sim.run import resized, run
from sim.schema import as_markdown, as_text, scenario_schema
from sim.sweep import sweep
from sim.vector.command import spread_vector

app = App(name="mesh-sim", help="Run real peers in virtual time.", version_flags=())
app.command(shrink_one, name="shrink")
app.command(reproduce_report, name="reproduce")
app.command(soak_swarms, name="soak")
app.command(run_experiment, name="experiment")
app.command(spread_vector, name="vector")
Changes = Annotated[tuple[str, ...], Parameter(name="--set", negative=())]


@app.command(name="run")
def run_one(
    scenario: str,
    /,
    *,
    seed: int,
    nodes: int | None = None,
    seconds: float | None = None,
    json: Annotated[bool, Parameter(negative=())] = False,
    trace: Path | None = None,
    changes: Changes = (),
) -> int:
    """Run a scenario once.

    Parameters
    ----------
    scenario
        The path of a TOML file, or the name of a packaged scenario (see `mesh-sim list`).
    seed
        One seed and one scenario give one trace, byte for byte.
    nodes
        How many nodes, instead of what the scenario says.
    seconds
        How many virtual seconds, instead of what the scenario says.
    json
        Print one JSON object instead of tables.
    trace
        Write a line per event and effect to this file.
    changes
        Change a value of the scenario: `network.loss=0.05`, `faults.0.at_s=20`. May be given several times.
    """
    with _trace_file(trace) as file:
        report = run(load(scenario, changes), seed, nodes, seconds, file)
    if json:
        print(as_json(report))  # noqa: T201  (printing is this command's work)
    else:
        show(report, Console())
    return 0 if report.passed else 1


@app.command(name="list")
def list_scenarios() -> int:
    """List the packaged scenarios."""
    table = Table()
    for column in ("scenario", "nodes", "virtual s", "about"):
        table.add_column(column)
    for name in packaged():
        scenario = load(name)
        table.add_row(name, str(scenario.nodes), f"{scenario.seconds:g}", scenario.about)
    Console().print(table)
    return 0


@app.command
def schema(*, markdown: Annotated[bool, Parameter(negative=())] = False) -> int:
    """Print the JSON schema of a scenario, for editors and other programs.

    Parameters
    ----------
    markdown
        Print the page of all fields for people instead.
    """
    made = scenario_schema()
    print(as_markdown(made) if markdown else as_text(made), end="")  # noqa: T201  (printing is this command's work)
    return 0


@app.command
def seeds(
    *,
    count: int = 24,
    scenario: str = "smoke",
    first: int = 1,
    jobs: int = 2,
    nodes: int | None = None,
    seconds: float | None = None,
    changes: Changes = (),
) -> int:
    """Run many seeds of a scenario, and fail if any check of any of them does.

    Parameters
    ----------
    count
        How many seeds.
    scenario
        The path of a TOML file, or the name of a packaged scenario.
    first
        The first seed; the others follow.
    jobs
        How many processes at once.
    nodes
        How many nodes, instead of what the scenario says.
    seconds
        How many virtual seconds, instead of what the scenario says.
    changes
        Change a value of the scenario, as in `mesh-sim run`.
    """
    if count < 1 or jobs < 1:
        raise UsageError("--count and --jobs: at least 1 was expected", field="count", todo="for example --count 24")
    chosen = resized(load(scenario, changes), nodes, seconds)
    console, failed, messages = Console(soft_wrap=True, highlight=False), 0, 0
    for report in sweep(chosen, range(first, first + count), jobs):
        messages += report.messages
        if not report.passed:
            failed += 1
            options = _options(nodes, seconds, changes)
            _tell_failure(report, f"mesh-sim run {scenario} --seed {report.seed}{options}", console)
    verdict = f"{failed} of {count} seeds FAILED" if failed else f"all {count} seeds passed"
    console.print(f"{chosen.name}: {verdict} ({messages:,} messages)", markup=False)
    return 1 if failed else 0


def _options(nodes: int | None, seconds: float | None, changes: tuple[str, ...]) -> str:
    sizes = (("nodes", nodes), ("seconds", seconds))
    given = [f"--{name} {value:g}" for name, value in sizes if value is not None]
    return "".join(f" {option}" for option in (*given, *(f"--set {quote(change)}" for change in changes)))


def _tell_failure(report: Report, command: str, console: Console) -> None:
    console.print(f"seed {report.seed} FAILED; again with: {command}", style="bold red", markup=False)
    for failure in report.failures:
        console.print(f"  {failure}", markup=False)


@contextmanager
def _trace_file(path: Path | None) -> Iterator[TextIO | None]:
    if path is None:
        yield None
        return
    try:
        with path.open("w", encoding="utf-8") as file:
            yield file
    except OSError as error:
        raise UsageError(f"--trace {path}: can't write there: {error.strerror}", field="trace") from None


def main() -> None:
    """Carry out the command line and end the process."""
    sys.exit(status_of(lambda: app(result_action="return_value")))


if __name__ == "__main__":
    main()
