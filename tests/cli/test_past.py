"""The past and its conflicts as people see them on a terminal."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from mesh.cli.past import difference, read_moment
from mesh.client.answers import FieldDiff
from tests.api.serving import attended
from tests.cli.test_main import Shell
from tests.runtime.meshes import make_folders, running


def test_a_time_without_an_offset_is_local() -> None:
    local = datetime(2026, 11, 21, 9, 30).astimezone()
    assert read_moment("2026-11-21T09:30") == read_moment("2026-11-21 09:30") == local.timestamp()
    assert read_moment(local.isoformat()) == local.timestamp()
    assert read_moment("1800000000.5") == 1_800_000_000.5
    assert read_moment("AYGoToken") == "AYGoToken"


@pytest.mark.parametrize(
    ("kind", "said"), [("added", "+ f: 2"), ("removed", "- f: 1"), ("changed", "~ f: 1 -> 2"), ("moved", "? f: 1 -> 2")]
)
def test_a_difference_is_one_line(kind: str, said: str) -> None:
    assert difference(FieldDiff("f", kind, 1, 2)) == said


@pytest.mark.live
async def test_the_past_of_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folders(tmp_path, "ada")
    async with running(tmp_path, "ada") as (ada,), attended(ada):
        mesh = Shell(ada.url, capsys).run
        put = json.loads((await mesh("put", "unit", "A", '{"desired": "START"}', "-m", "why", "--json"))[0])
        await mesh("patch", "unit", "A", '{"desired": "STOP"}', "-m", "beam off")
        table, said = await mesh("history", "unit", "A")
        assert ("why" in table, "beam off" in table, "2 changes" in said) == (True, True, True)
        assert "beam off" in (await mesh("blame", "unit", "A"))[0]
        then, said = await mesh("show", "unit", "A", "--as-of", put["token"])
        assert (json.loads(then), "last changed by" in said) == ({"desired": "START"}, True)
        assert json.loads((await mesh("show", "unit", "A"))[0]) == {"desired": "STOP"}
        assert await mesh("show", "unit", "A", "--as-of", "2020-01-01") == ("", "it did not exist\n")
        assert (await mesh("diff", "unit", "A", put["token"]))[0] == '~ desired: "START" -> "STOP"\n'
        assert "stored" in (await mesh("revert", "unit", "A", "--to", put["token"]))[0]
        assert json.loads((await mesh("get", "unit", "A"))[0]) == {"desired": "START"}
        _, said = await mesh("show", "unit", "A", "--as-of", "yesterday", code=1)
        assert "a token from an earlier answer was expected" in said
        with pytest.raises(SystemExit):
            await mesh("revert", "unit", "A")
