"""Many records from the command line: previewed, done, resumed."""

import json
from pathlib import Path

import pytest

from mesh.cli.bulk import read_fields, read_where
from mesh.cli.importing import without
from mesh.cli.records import read_expect
from mesh.client.bulk import Where
from mesh.client.transaction_answers import IntentRecord
from mesh.errors import UsageError
from mesh.ids import RecordId
from mesh.importers.plan import Change, Plan
from tests.api.serving import attended
from tests.cli.test_main import Shell
from tests.runtime.meshes import make_folders, running


def test_conditions_and_fields_are_read() -> None:
    given = ("prefix=BTF/", "text=x=y", "label.zone=BTF", "desired=STOP", "n=5")
    assert read_where(given) == Where("BTF/", "x=y", {"zone": "BTF"}, {"desired": "STOP", "n": 5})
    assert read_fields(("desired=STOP", "labels.zone=null", "n=5")) == {
        "desired": "STOP",
        "labels": {"zone": None},
        "n": 5,
    }


@pytest.mark.parametrize("given", ["desired", "=5", ""])
def test_what_is_no_pair_is_refused(given: str) -> None:
    for read in (read_where, read_fields):
        with pytest.raises(UsageError):
            read((given,))
    with pytest.raises(UsageError):
        read_fields(())


def test_expectations_are_read() -> None:
    assert read_expect(()) is None
    assert read_expect(("absent",)) == {"absent": True}
    assert read_expect(("v1", "token=t", "desired=d1,d2", "host=")) == {
        "version": "v1",
        "token": "t",
        "fields": {"desired": ["d1", "d2"], "host": []},
    }


def test_an_import_goes_on_without_what_it_has_written() -> None:
    changes = [Change(RecordId("unit", key), {"a": 1, "b": 2}, {}) for key in "xyz"]
    done = [IntentRecord("unit", "x", ["a", "b"]), IntentRecord("unit", "y", ["a"]), IntentRecord("note", "z", ["a"])]
    left = without(Plan(changes, 0, []), done).changes
    assert [(change.record.key, change.fields) for change in left] == [("y", {"b": 2}), ("z", {"a": 1, "b": 2})]


@pytest.mark.live
async def test_many_records_are_previewed_patched_resumed_and_buried(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_folders(tmp_path, "ada")
    async with running(tmp_path, "ada") as (ada,), attended(ada):
        mesh = Shell(ada.url, capsys).run
        for key in ("A/1", "A/2", "B/1"):
            await mesh("put", "unit", key, '{"desired": "START"}', "--expect", "absent")
        assert (
            "not as expected"
            in (await mesh("put", "unit", "A/1", '{"desired": "STOP"}', "--expect", "absent", code=1))[1]
        )
        change = ("patch", "unit", "--where", "prefix=A/", "--where", "desired=START", "desired=STOP")
        out, _ = await mesh(*change, "--dry-run")
        assert ("patch unit A/1" in out, "2 to change" in out) == (True, True)
        out, said = await mesh(*change, "--intent", "stop-all")
        assert ("2 changed in 1 batches" in out, "all of them together are not" in said) == (True, True)
        await mesh("patch", "unit", "A/1", '{"desired": "START"}')
        report = json.loads((await mesh(*change, "--intent", "stop-all", "--json"))[0])
        assert (report["changed"], report["done"]) == (0, 2)
        assert "1 batches, 2 records" in (await mesh("intent", "stop-all"))[1]
        rows = json.loads((await mesh("list", "unit", "--json"))[0])
        assert [row["value"]["desired"] for row in rows] == ["START", "STOP", "START"]
        version = rows[2]["version"]
        assert version in (await mesh("get", "unit", "B/1"))[1]
        await mesh("patch", "unit", "B/1", '{"desired": "INIT"}', "--if-version", version)
        await mesh("bury", "unit", "B/1", "--if-version", version, code=1)
        assert "2 changed" in (await mesh("bury", "unit", "--where", "prefix=A/"))[0]
        assert [row["key"] for row in json.loads((await mesh("list", "unit", "--json"))[0])] == ["B/1"]
        await mesh("bury", "unit", "B/1", "--where", "prefix=A/", code=1)
        await mesh("patch", "unit", "B/1", code=1)


@pytest.mark.live
async def test_an_import_tells_its_intent_and_is_resumed_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_folders(tmp_path, "ada")
    example = str(Path(__file__).resolve().parent.parent.parent / "examples" / "beamline.json")
    async with running(tmp_path, "ada") as (ada,), attended(ada):
        mesh = Shell(ada.url, capsys).run
        assert "intent first" in (await mesh("import", example, "--intent", "first"))[1]
        key = json.loads((await mesh("list", "unit", "--json"))[0])[0]["key"]
        await mesh("patch", "unit", key, '{"template": "another"}')
        again = json.loads((await mesh("import", example, "--intent", "first", "--json"))[0])
        assert (again["records"], again["batches"]) == (0, 0)
        assert json.loads((await mesh("get", "unit", key))[0])["template"] == "another"
