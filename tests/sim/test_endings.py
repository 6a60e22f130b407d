"""How the command ends: one message, and a status that scripts can tell apart.

Invariant: what raises here is what the parts of the simulator raise.
"""

import subprocess
import sys

import pytest

from mesh.errors import UsageError
from sim.endings import status_of


def raising(error: BaseException) -> int:
    def work() -> None:
        raise error

    return status_of(work)


def test_a_result_is_the_status_and_none_is_success() -> None:
    assert [status_of(lambda: 0), status_of(lambda: 1), status_of(lambda: None)] == [0, 1, 0]


def test_who_asked_wrongly_is_told_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(UsageError("nodes: 3 came", todo="give at least 4")) == 2
    assert capsys.readouterr().err == "mesh-sim: nodes: 3 came\nGive at least 4.\n"


def test_a_mistake_of_ours_looks_like_no_failed_check(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MESH_TRACEBACK", raising=False)
    assert raising(AssertionError("two leaders")) == 70
    assert "two leaders" in (told := capsys.readouterr().err)
    assert "Traceback" not in told
    monkeypatch.setenv("MESH_TRACEBACK", "1")
    with pytest.raises(AssertionError):
        raising(AssertionError("two leaders"))


def test_ctrl_c_is_no_mistake() -> None:
    assert raising(KeyboardInterrupt()) == 130


@pytest.mark.parametrize(("command", "told"), [("> /dev/full", "No space left on device"), ("| true", "")])
def test_output_that_nobody_takes_ends_in_one_line_at_most(command: str, told: str) -> None:
    shell = f"'{sys.executable}' -m sim.cli schema {command}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == bool(told)
    assert told in done.stderr
