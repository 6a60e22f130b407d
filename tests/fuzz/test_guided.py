"""A short coverage-guided run of every fuzz target, by atheris. What breaks a promise is kept in a file that the failure names."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
RUNS = 10_000  # A second or two; the slow ones get fewer.
RUNS_OF = {"ledger": 1_500, "certificate": 5_000, "stream": 4_000, "request": 5_000, "request_msgpack": 4_000}
AT_ONCE = 2
SEED = "-seed=1"  # The same inputs each time: a failure here comes back.

pytestmark = pytest.mark.skipif(
    find_spec("atheris") is None,
    reason="atheris has no wheel for this platform; the unguided runs have the same targets",
)

Ended = Future["subprocess.CompletedProcess[str]"]


def _run(name: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    options = (f"-runs={RUNS_OF.get(name, RUNS)}", SEED, f"-artifact_prefix={folder}/", "-verbosity=0")
    command = (sys.executable, "-m", "tests.fuzz.run", name, *options)
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("found")


@pytest.fixture(scope="module")
def runs(found: Path) -> Iterator[dict[str, Ended]]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(_run, name, found) for name in TARGETS}


@pytest.mark.parametrize("name", TARGETS)
def test_the_promise_holds_where_coverage_leads(name: str, runs: dict[str, Ended], found: Path) -> None:
    ended = runs[name].result()
    crashes = [f"python -m tests.fuzz.run {name} {file}" for file in sorted(found.iterdir())]
    said = "\n".join([*ended.stderr.splitlines()[-30:], *ended.stdout.splitlines()[-30:], *crashes])
    assert ended.returncode == 0, f"{name} breaks its promise; see it again with the last line:\n{said}"
