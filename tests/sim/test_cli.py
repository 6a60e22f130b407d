"""The command tells people what is wrong, and scripts by its exit status."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from sim.cli import app
from sim.endings import status_of

SMALL = ["--nodes", "4", "--seconds", "40", "--set", "workload.settle_s=10"]
LIAR = ["--set", 'faults=[{kind="lying-disk", at_s=10}]']


def mesh_sim(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sim.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_run_prints_json_and_writes_its_trace(tmp_path: Path) -> None:
    trace = tmp_path / "trace.txt"
    done = mesh_sim("run", "steady", "--seed", "7", *SMALL, "--json", "--trace", str(trace))
    report = json.loads(done.stdout)
    assert (done.returncode, report["seed"], report["converged"]) == (0, 7, True)
    assert len(trace.read_text("utf-8").splitlines()) == report["trace_lines"]


def test_seeds_over_processes_pass() -> None:
    done = mesh_sim("seeds", "--count", "3", "--scenario", "steady", *SMALL)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all 3 seeds passed" in done.stdout


def test_a_failing_seed_is_named_with_the_command_that_shows_it_again() -> None:
    done = mesh_sim("seeds", "--count", "1", "--first", "9", "--jobs", "1", "--scenario", "steady", *SMALL, *LIAR)
    assert done.returncode == 1
    assert "seed 9 FAILED; again with: mesh-sim run steady --seed 9 --nodes 4 --seconds 40" in done.stdout
    assert """--set 'faults=[{kind="lying-disk", at_s=10}]'""" in done.stdout


WRONG = [
    (["nowhere"], "there is no such file"),
    (["steady", "--set", "nodes=x"], "at nodes: Expected `int`"),
    (["steady", "--set", "secnds=3"], "unknown field `secnds`"),
    (["steady", "--set", "faults=[{kind='crsh'}]"], "Give one of bit-rot, churn, churn-trace, clock-jump"),
    (["steady", "--nodes", "0"], "at nodes"),
    (["steady", "--trace", "/"], "can't write there"),
]


def test_mistakes_are_told_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong, told in WRONG:
        arguments = ["run", *wrong, "--seed", "1"]
        assert status_of(partial(app, arguments, result_action="return_value")) == 2, wrong
        said = capsys.readouterr().err
        assert said.startswith("mesh-sim: "), said
        assert told in said
        assert "Traceback" not in said


def test_the_process_ends_with_the_status() -> None:
    done = mesh_sim("run", "nowhere", "--seed", "1")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 2)


def test_the_packaged_scenarios_are_listed() -> None:
    done = mesh_sim("list")
    assert done.returncode == 0
    assert "crash-lost-disk" in done.stdout
