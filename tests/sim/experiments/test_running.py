"""Cells give the same wherever they are run: here, in other processes, on a cluster.

Invariant: processes and the cluster are real.
"""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

from mesh.errors import UsageError
from sim.experiments.catalogue import find_experiment
from sim.experiments.plan import Cell
from sim.experiments.results import Measured
from sim.experiments.running import measure, run_cells
from sim.node import Node
from tests.sim.experiments.own import EXPERIMENT

OWN = str(Path(__file__).with_name("own.py"))
CELLS = EXPERIMENT.cells(quick=False, seeds=1)


@pytest.fixture(scope="module")
def alone() -> dict[str, Measured | None]:
    return {cell.name: measure(EXPERIMENT, cell).measured for cell in CELLS}


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as made:
        yield made.scheduler_address


@pytest.mark.live
def test_two_processes_give_what_one_gives(alone: dict[str, Measured | None]) -> None:
    assert {ran.cell.name: ran.measured for ran in run_cells(OWN, CELLS, workers=2)} == alone


@pytest.mark.live
def test_a_dask_cluster_of_two_processes_gives_what_one_gives(alone: dict[str, Measured | None], cluster: str) -> None:
    assert {ran.cell.name: ran.measured for ran in run_cells(OWN, CELLS, workers=1, dask=cluster)} == alone


def test_a_cell_that_breaks_is_told_and_the_others_go_on() -> None:
    cells = [Cell({"nodes": 3, "profile": "lan"}, 13), CELLS[0]]
    broke, ran = list(run_cells(OWN, cells, workers=1))
    assert (broke.measured, broke.broke) == (None, "ValueError: an unlucky number")
    assert ran.measured is not None


def test_no_cluster_is_told_in_a_sentence() -> None:
    with pytest.raises(UsageError, match="no cluster answers there"):
        list(run_cells(OWN, CELLS, workers=1, dask="nonsense://127.0.0.1:1"))


def test_the_mesh_of_a_cell_before_is_let_go() -> None:
    idle = find_experiment("idle")
    gc.collect()
    gc.disable()  # What is looked for now and then may have been found already.
    try:
        for nodes in (4, 3):
            assert measure(idle, Cell({"nodes": nodes, "counted_s": 1.0}, 1)).measured is not None
    finally:
        gc.enable()
    assert sum(type(one) is Node for one in gc.get_objects()) <= 3
