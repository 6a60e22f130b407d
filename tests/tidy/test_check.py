"""The promises of `./check`, kept with tools that only pretend.

Invariant: no real tool runs here; a Python without a virtual environment finds the pretenders beside itself.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).resolve().parents[2] / "check"
TOOLS = ("ruff", "mypy", "lint-imports", "pytest", "mesh-sim")


class House:
    """A directory with a copy of `check`, and a Python whose neighbours are scripts of ours."""

    def __init__(self, root: Path) -> None:
        self.bin = root / "bin"
        self.bin.mkdir()
        (self.bin / "python3").symlink_to(Path(sys.executable).resolve())
        self.check = Path(shutil.copy(CHECK, root / "check"))
        for tool in TOOLS:
            self.put(tool, f"echo {tool} is content")

    def put(self, tool: str, script: str) -> None:
        (self.bin / tool).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / tool).chmod(0o755)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = (str(self.bin / "python3"), str(self.check), *arguments)
        bare = {"PATH": os.defpath, "HOME": str(self.bin)}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=bare, timeout=60)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_it_passes_if_all_steps_pass(house: House) -> None:
    ended = house.run()
    assert ended.returncode == 0
    assert "check: 7 of 7 steps passed" in ended.stdout


def test_a_failing_step_fails_the_whole_and_stops_nothing(house: House) -> None:
    house.put("mypy", "echo one error; exit 3")
    ended = house.run()
    assert ended.returncode == 1
    assert "== types: FAILED (exit status 3)" in ended.stdout
    assert "mesh-sim is content" in ended.stdout
    assert ended.stdout.splitlines()[-1].endswith("FAILED: types")


def test_a_missing_tool_is_named_with_what_to_do(house: House) -> None:
    (house.bin / "lint-imports").unlink()
    ended = house.run("imports")
    assert ended.returncode == 1
    assert "`lint-imports` is not installed" in ended.stdout
    assert "uv run ./check" in ended.stdout


def test_only_the_named_steps_run_in_the_order_of_the_table(house: House) -> None:
    ended = house.run("tests", "lint")
    opened = [line for line in ended.stdout.splitlines() if line.startswith("== ") and "passed" not in line]
    assert [line.split(":")[0] for line in opened] == ["== lint", "== tests"]


def test_what_a_static_step_says_stays_in_one_piece(house: House) -> None:
    for tool in ("ruff", "mypy", "lint-imports"):
        house.put(tool, f"echo {tool} begins; sleep 0.05; echo {tool} complains >&2; echo {tool} ends")
    lines = house.run("lint", "types", "imports").stdout.splitlines()
    starts = [lines.index(f"{tool} begins") for tool in ("ruff", "mypy", "lint-imports")]
    assert all(lines[at + 1].endswith("complains") and lines[at + 2].endswith("ends") for at in starts)


def test_an_unknown_step_is_refused_with_the_known_ones(house: House) -> None:
    ended = house.run("tset")
    assert ended.returncode == 2
    assert "no step is called tset" in ended.stderr
    assert "format, lint, types, imports, tests, live, seeds" in ended.stderr


def test_fix_formats_and_mends(house: House) -> None:
    house.put("ruff", 'echo "ruff $*"')
    ended = house.run("--fix")
    assert "ruff check --fix . check" in ended.stdout
    assert "ruff format . check" in ended.stdout
