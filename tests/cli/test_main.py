"""The command as people run it: real processes against a real node."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from mesh.cli.main import outcome
from tests.api.serving import attended
from tests.runtime.meshes import make_folders, put, running, until

pytestmark = pytest.mark.live
MESH = [sys.executable, "-c", "from mesh.cli import main; main()"]


async def process(*arguments: str, code: int = 0, stdin: bytes = b"") -> tuple[str, str]:
    """Run one command as a process; its stdout and stderr."""
    done = await trio.run_process(
        [*MESH, *arguments], stdin=stdin, capture_stdout=True, capture_stderr=True, check=False
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code, (done.returncode, out, err)
    assert "Traceback" not in err
    return out, err


class Shell:
    """Runs commands in this process, each in a thread with an event loop of its own."""

    def __init__(self, url: str, captured: pytest.CaptureFixture[str]) -> None:
        self._at = ("--at", f"http://127.0.0.1:1,{url}")
        self._captured = captured

    async def run(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        self._captured.readouterr()
        got = await trio.to_thread.run_sync(outcome, [*arguments, *self._at])
        said = self._captured.readouterr()
        assert got == code, (got, said)
        return said.out, said.err


async def test_a_record_from_put_to_restore(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folders(tmp_path, "ada")
    async with running(tmp_path, "ada") as (ada,), attended(ada):
        value = {"desired": "START", "labels": {"zone": "BTF"}}
        await process("put", "unit", "A/B/C", "-", "--at", ada.url, "--author", "eva", stdin=json.dumps(value).encode())
        mesh = Shell(ada.url, capsys).run
        got, said = await mesh("get", "unit", "A/B/C")
        assert (json.loads(got), "changed by eva" in said) == (value, True)
        await mesh("patch", "unit", "A/B/C", '{"desired": null}', "-m", "why")
        rows = json.loads((await mesh("list", "unit", "--label", "zone=BTF", "--json"))[0])
        assert [row["value"] for row in rows] == [{"labels": {"zone": "BTF"}}]
        await mesh("bury", "unit", "A/B/C")
        _, said = await mesh("get", "unit", "A/B/C", code=1)
        assert "was buried by" in said
        assert "to do: restore" in said
        await mesh("restore", "unit", "A/B/C")
        assert "ada" in (await mesh("members"))[0]
        assert "ada" in (await mesh("why", "ada"))[1]
        assert "mesh members" in (await mesh("why", "nobody", code=1))[1]
        assert json.loads((await mesh("state", "--json"))[0]) == []


async def test_an_import_is_shown_then_made_then_nothing_is_left_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_folders(tmp_path, "ada")
    example = str(Path(__file__).resolve().parent.parent.parent / "examples" / "beamline.json")
    async with running(tmp_path, "ada") as (ada,), attended(ada):
        mesh = Shell(ada.url, capsys).run
        before = ada.health().fingerprint
        shown, _ = await mesh("import", example, "--dry-run")
        assert "to create" in shown.splitlines()[-1]
        assert ada.health().fingerprint == before
        made, _ = await mesh("import", example, "--hosts", "ada,bob")
        assert "stored" in made
        again = json.loads((await mesh("import", example, "--hosts", "ada,bob", "--json"))[0])
        assert (again["records"], again["batches"]) == (0, 0)


async def test_a_watch_prints_a_line_per_event(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada")
    async with running(tmp_path, "ada") as (ada,), attended(ada), trio.open_nursery() as nursery:
        command = [*MESH, "watch", "variable", "--json", "--at", ada.url]
        process = await nursery.start(lambda task_status: _spawn(command, task_status))
        lines: list[str] = []
        nursery.start_soon(_read, process, lines)
        await until(lambda: bool(lines))
        await put(ada, "x", 1)
        await until(lambda: len(lines) == 2)
        assert [json.loads(line)["type"] for line in lines] == ["SYNC", "CREATE"]
        nursery.cancel_scope.cancel()


async def _spawn(command: list[str], task_status: trio.TaskStatus[trio.Process]) -> None:
    await trio.run_process(command, stdout=subprocess.PIPE, check=False, task_status=task_status)


async def _read(process: trio.Process, lines: list[str]) -> None:
    assert process.stdout is not None
    rest = b""
    async for some in process.stdout:
        *whole, rest = (rest + some).split(b"\n")
        lines += [line.decode() for line in whole]


async def test_what_cannot_be_reached_is_explained() -> None:
    _, said = await process("members", "--at", "http://127.0.0.1:1", code=1)
    assert "no peer answered" in said
    assert "Connection refused" in said


@pytest.mark.parametrize("arguments", [["get", "unit"], ["list"], ["watch", "--kind", "moods"], ["init", "x"]])
def test_a_wrong_command_line_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        outcome(arguments)
    assert caught.value.code == 2


async def test_an_unknown_command_ends_with_2() -> None:
    await process("nonsense", code=2)


def test_a_mesh_and_nodes_are_made_and_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(["init", str(tmp_path), "--name", "ada"]) == 0
    assert outcome(["init", str(tmp_path), "--name", "bob", "--mesh", str(tmp_path / "mesh"), "--json"]) == 0
    assert (tmp_path / "bob" / "mesh.json").exists()
    assert outcome(["init", str(tmp_path), "--name", "bob", "--mesh", str(tmp_path / "mesh")]) == 1
    assert "already holds" in capsys.readouterr().err


async def test_a_quick_start() -> None:
    code = (
        "import sys; import mesh.cli.main; print(*[m for m in ('trio', 'starlette', 'hypercorn') if m in sys.modules])"
    )
    done = await trio.run_process([sys.executable, "-c", code], capture_stdout=True)
    assert done.stdout.split() == []
