"""Conflicts on the terminal: what is printed is enough to settle them."""

import json
from pathlib import Path

import pytest

from mesh.cli.conflicts import read_json, rows
from mesh.client.answers import FieldConflict, Unsettled, Version
from mesh.errors import UsageError
from tests.api.serving import attended
from tests.api.test_conflicts import disagreeing
from tests.cli.test_main import Shell
from tests.runtime.meshes import make_folders, running


def test_a_value_may_be_any_json() -> None:
    assert [read_json(text) for text in ("5", '"a"', "null", "[1]")] == [5, "a", None, [1]]
    with pytest.raises(UsageError) as caught:
        read_json("START")
    assert (caught.value.field, bool(caught.value.todo)) == ("--value", True)


def test_every_value_and_every_late_edit_has_a_line() -> None:
    one = Version("desired", "put", "START", "eva", 0.0, "dot1", "ada", shown=True)
    other = Version("desired", "clear", None, "leo", 0.0, "dot2", "bob")
    bury = Version("", "bury", None, "eva", 0.0, "dot3", "ada", shown=True)
    conflict = rows(Unsettled("unit", "A", [FieldConflict("desired", [one, other], version="seen1")]))
    assert [(row[1], row[2], row[3], row[4], row[-1]) for row in conflict] == [
        ("desired", "seen1", "shown", '"START"', "dot1"),
        ("desired", "seen1", "or", "(clear)", "dot2"),
    ]
    assert [row[3] for row in rows(Unsettled("unit", "A", late=[one], buries=[bury]))] == [
        "buried",
        "edited while buried",
    ]


@pytest.mark.live
async def test_conflicts_are_listed_and_settled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with disagreeing(tmp_path) as (ada, _):
        mesh = Shell(ada.url, capsys).run
        table, said = await mesh("conflicts", "variable")
        assert ("bob" in table, "3 records" in said) == (True, True)
        found = json.loads((await mesh("conflicts", "--json"))[0])
        dot = found[0]["conflicts"][0]["values"][1]["dot"]
        seen = [row["conflicts"][0]["version"] for row in found]
        x = ("resolve", "variable", "x", "value")
        assert "looked at" in (await mesh(*x, "--take", dot, code=1))[1]
        assert "not as expected" in (await mesh(*x, "--take", dot, "--seen", dot, code=1))[1]
        assert "stored" in (await mesh(*x, "--take", dot, "--seen", seen[0]))[0]
        assert json.loads((await mesh("get", "variable", "x"))[0]) == {"value": 1}
        assert "stored" in (await mesh("resolve", "variable", "y", "value", "--value", "-4", "--seen", seen[1]))[0]
        assert json.loads((await mesh("get", "variable", "y"))[0]) == {"value": -4}
        assert "1 record" in (await mesh("conflicts"))[1]
        _, said = await mesh(*x, "--take", dot, "--seen", seen[0], code=1)
        assert "not in conflict" in said


@pytest.mark.live
async def test_one_of_take_and_value_is_needed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folders(tmp_path, "ada")
    async with running(tmp_path, "ada") as (ada,), attended(ada):
        _, said = await Shell(ada.url, capsys).run("resolve", "variable", "x", "value", code=1)
        assert "either --take" in said
