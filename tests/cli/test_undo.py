"""Undo on a terminal: previewed, done, and told."""

import json
from pathlib import Path

import pytest

from tests.api.serving import attended
from tests.cli.test_main import Shell
from tests.runtime.meshes import make_folders, running


@pytest.mark.live
async def test_an_undo_is_previewed_and_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folders(tmp_path, "ada")
    async with running(tmp_path, "ada") as (ada,), attended(ada):
        mesh = Shell(ada.url, capsys).run
        await mesh("put", "unit", "A", '{"desired": "START", "description": "x"}', "--author", "tom")
        await mesh("patch", "unit", "A", '{"description": "y"}', "--author", "eva")
        asked = ("undo", "--author", "eva", "--from", "2020-01-01", "--as", "kim")
        table, said = await mesh(*asked, "--preview")
        assert ('"y"' in table, '"x"' in table, "1 field of 1 record would change" in said) == (True, True, True)
        kept, said = await mesh("undo", "--author", "tom", "--from", "2020-01-01", "--preview")
        assert ("Kept" in kept, "eva" in kept, "0 fields" in said) == (True, True, True)
        done = json.loads((await mesh(*asked, "--json", "-m", "by mistake"))[0])
        assert (done["state"], len(done["batches"])) == ("done", 1)
        assert json.loads((await mesh("get", "unit", "A"))[0])["description"] == "x"
        table, _ = await mesh("history", "unit", "A")
        assert ("kim" in table, "by mistake" in table) == (True, True)
        _, said = await mesh("undo", "--author", "eva", "--from", "soon", code=1)
        assert "a time was expected" in said
