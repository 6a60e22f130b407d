"""A node's files from the command line: verified, kept, put back."""

import json
from pathlib import Path

import pytest

from mesh.cli.main import outcome
from tests.runtime.meshes import make_folders, put, running

pytestmark = pytest.mark.live


async def test_verify_backup_and_recover(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folders(tmp_path, "ada")
    folder, target = str(tmp_path / "ada"), str(tmp_path / "backup")
    async with running(tmp_path, "ada") as (ada,):
        await put(ada, "x", 1)
        assert outcome(["verify", folder]) == 1
        assert "in use by process" in capsys.readouterr().err
    assert outcome(["backup", folder, target, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["backup"]["batches"] == 1
    async with running(tmp_path, "ada") as (ada,):
        await put(ada, "y", 2)
    assert outcome(["recover", target, folder, "--preview"]) == 0
    said = capsys.readouterr()
    assert "nothing was changed" in said.out
    assert "comes back from the peers" in said.err
    assert outcome(["recover", target, folder]) == 0
    assert "ledger.replaced-1" in capsys.readouterr().out
    assert outcome(["verify", folder]) == 0
    assert "whole: 1 batches" in capsys.readouterr().out


async def test_damage_is_named_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folders(tmp_path, "ada")
    folder = tmp_path / "ada"
    async with running(tmp_path, "ada") as (ada,):
        await put(ada, "x", "a value")
    file = folder / "data" / "ledger" / "data.mdb"
    file.write_bytes(file.read_bytes().replace(b"a value", b"a valve"))
    assert outcome(["verify", str(folder)]) == 1
    said = capsys.readouterr()
    assert "NOT whole" in said.out
    assert "variable/x field value" in said.out
    assert "to do:" in said.err
    assert outcome(["verify", str(folder), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["whole"] is False
