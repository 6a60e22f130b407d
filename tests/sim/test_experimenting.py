"""The command: it keeps what is finished, goes on after a kill, and leaves nothing running.

Invariant: what is killed here is a real process with SIGKILL.
"""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from mesh.errors import UsageError
from sim.experimenting import finish, run_experiment, selected
from sim.experiments.catalogue import NAMES, find_experiment
from sim.experiments.plan import Cell
from sim.experiments.repeating import read_account
from sim.experiments.shelf import Shelf
from sim.hunting import reproduce_report
from sim.provenance import provenance

OWN = str(Path(__file__).with_name("experiments") / "own.py")


@pytest.mark.live
def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        sys.executable,
        "-m",
        "sim.cli",
        "experiment",
        OWN,
        "--out",
        str(tmp_path),
        "--workers",
        "2",
        "--seeds",
        "4",
    ]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert running.stdout is not None
    assert ["/16]" in running.stdout.readline() for _ in range(2)] == [True, True]
    running.send_signal(signal.SIGKILL)
    running.stdout.read()  # It ends when the last process that writes there has ended: none outlives the one that was killed.
    running.wait()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("cells/*.json")}
    assert run_experiment(OWN, out=tmp_path, seeds=4, workers=1) == 0
    assert f"{len(kept)} of 16 cells are finished already" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert len(list(tmp_path.glob("cells/*.json"))) == 16
    assert reproduce_report(tmp_path / "report.json", workers=1) == 0
    assert "16 cells: the same data, byte for byte" in capsys.readouterr().out


def test_a_cell_that_breaks_is_told_and_the_others_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = [Cell({"nodes": 3, "profile": "lan"}, 13), Cell({"nodes": 2, "profile": "lan"}, 1)]
    finished, broken = finish(cells, Shelf(tmp_path, OWN, provenance()), (OWN, 1, None), Console())
    assert list(finished) == [cells[1].name]
    assert [ran.cell for ran in broken] == [cells[0]]
    assert "BROKE: ValueError: an unlucky number" in capsys.readouterr().out
    assert [path.stem for path in tmp_path.glob("cells/*.json")] == [cells[1].name]


def test_parameters_are_chosen_by_any_of_their_values_and_all_of_their_names() -> None:
    cells = find_experiment(OWN).cells(quick=True, seeds=1)
    assert len(selected(cells, ("nodes=2", "nodes=3"))) == 4
    assert [cell.point for cell in selected(cells, ("nodes=2", "profile=swim"))] == [{"nodes": 2, "profile": "swim"}]


def test_a_part_can_be_measured_and_the_report_is_of_all_that_is_finished(tmp_path: Path) -> None:
    for nodes, cells in (("2", 2), ("3", 4)):
        assert run_experiment(OWN, out=tmp_path, seeds=1, workers=1, only=(f"nodes={nodes}",)) == 0
        account = read_account((tmp_path / "report.json").read_bytes(), "report.json")
        assert len(account.data.cells) == cells


def test_the_list_names_the_experiments_and_their_bars(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_experiment(list_all=True) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in NAMES)


def test_mistakes_are_told_before_anything_is_run(tmp_path: Path) -> None:
    for wrong in ({}, {"out": tmp_path, "seeds": 0}, {"out": tmp_path, "workers": 0}):
        with pytest.raises(UsageError, match="expected"):
            run_experiment("swim", **wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no point is like that"):
        run_experiment("swim", out=tmp_path, only=("nodes=7",))
    with pytest.raises(UsageError, match="no such experiment"):
        run_experiment("nothing", out=tmp_path)
    assert list(tmp_path.iterdir()) == []
