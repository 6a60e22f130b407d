"""Cells, run on all cores or on a Dask cluster.

Invariant: what a cell gives does not depend on the process that ran it, nor on which cells ran before; no process outlives the one
that it works for.
"""

import gc
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, as_completed
from functools import cache

from msgspec import Struct

from mesh.errors import UsageError
from sim.collecting import rare_collections
from sim.experiments.catalogue import find_experiment
from sim.experiments.plan import Cell, Experiment
from sim.experiments.results import Measured
from sim.large_pages import large_pages
from sim.processes import crew
from sim.provenance import differences_of, provenance
from sim.report import Stopwatch

CLUSTER_S_MAX = 20.0  # So long a scheduler may take to answer, and a first worker to be there.

_found = cache(find_experiment)


class Ran(Struct, frozen=True):
    """A cell that was run: what it gave, or how it broke; and how long it took in real seconds."""

    cell: Cell
    measured: Measured | None
    broke: str
    real_s: float


def run_cell(experiment: str, cell: Cell) -> Ran:
    """Run one cell of the experiment of that name."""
    return measure(_found(experiment), cell)


def measure(experiment: Experiment, cell: Cell) -> Ran:
    """Run one cell here."""
    watch = Stopwatch()
    gc.collect()  # The mesh of the cell before is a ring of parts that know each other, and may hold a gigabyte.
    try:
        with rare_collections(), large_pages():
            outcome = experiment.measure(experiment.scenario(cell.point), cell.point, cell.seed)
    except Exception as error:  # The others go on; the cell shows it again.
        return Ran(cell, None, f"{type(error).__name__}: {error}", watch.seconds())
    return Ran(cell, Measured(cell, outcome), "", watch.seconds())


def run_cells(experiment: str, cells: Sequence[Cell], workers: int, dask: str | None = None) -> Iterator[Ran]:
    """Run cells, each given as soon as it is done. Raises UsageError where there is no cluster at `dask`."""
    if dask is not None:
        yield from _on_cluster(experiment, cells, dask)
    elif workers <= 1 or len(cells) <= 1:
        yield from (run_cell(experiment, cell) for cell in cells)
    else:
        yield from _on_cores(experiment, cells, min(workers, len(cells)))


def _on_cores(experiment: str, cells: Sequence[Cell], workers: int) -> Iterator[Ran]:
    with crew(workers) as pool:
        running: list[Future[Ran]] = [pool.submit(run_cell, experiment, cell) for cell in cells]
        yield from (future.result() for future in as_completed(running))


def _on_cluster(experiment: str, cells: Sequence[Cell], address: str) -> Iterator[Ran]:
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise UsageError(
            "--dask needs the library `distributed`", field="dask", todo="install chaos-metadata-mesh[sim,dask]"
        ) from None
    try:
        client = Client(address, timeout=CLUSTER_S_MAX, set_as_default=False)
        client.wait_for_workers(1, timeout=CLUSTER_S_MAX)
    except (OSError, TimeoutError, ValueError) as error:
        raise UsageError(
            f"--dask {address}: no cluster answers there: {error}",
            field="dask",
            todo="start `dask scheduler` and workers",
        ) from None
    with client:
        _check_workers(client.run(provenance), address)
        futures = [client.submit(run_cell, experiment, cell, pure=False) for cell in cells]
        for _, ran in as_completed(futures, with_results=True, loop=client.loop):
            yield ran


def _check_workers(found: object, address: str) -> None:
    """Raise UsageError where a worker runs other code than this process."""
    assert isinstance(found, dict)
    for worker, theirs in found.items():
        if other := differences_of(theirs, provenance()):
            raise UsageError(
                f"--dask {address}: the worker {worker} is not as this process is: {'; '.join(other)}",
                field="dask",
                todo="check out the same commit, with the same versions, everywhere",
            )
