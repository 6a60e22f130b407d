"""Many records from the command line: previewed, done, resumed."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trio

from bench.hatchery import Hatched, Hatchery, hatchery
from mesh.cli.bulk import read_fields, read_where
from mesh.cli.importing import without
from mesh.cli.records import read_expect
from mesh.client.bulk import Undertaking, Where, patching
from mesh.client.client import MeshClient
from mesh.client.transaction_answers import IntentRecord
from mesh.demo.processes import PeerProcess
from mesh.demo.readings import wait_for_agreement, wait_for_everybody
from mesh.errors import MeshError, UsageError
from mesh.ids import RecordId
from mesh.importers import chaos_mdsconfig
from mesh.importers.plan import Change, Plan, plan
from tests.api.serving import attended
from tests.cli.test_main import Shell
from tests.runtime.meshes import make_folders, running

COUNT = 600  # Three batches.
PATIENCE_S = 60.0
COLLECTIONS = ("dataset", "template", "unit", "server", "variable")
EXAMPLE = Path(__file__).parents[2] / "examples" / "beamline.json"


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
        assert ("2 changed in 1 batch" in out, "all of them together are not" in said) == (True, True)
        await mesh("patch", "unit", "A/1", '{"desired": "START"}')
        report = json.loads((await mesh(*change, "--intent", "stop-all", "--json"))[0])
        assert (report["changed"], report["done"]) == (0, 2)
        assert "1 batch, 2 records" in (await mesh("intent", "stop-all"))[1]
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


class Pair:
    """Two peers as processes; the commands that run against them are processes as well."""

    def __init__(self, place: Path, hatching: Hatchery) -> None:
        make_folders(place, "a", "b")
        self.a, self.b = (PeerProcess(place / name, name, hatching.spawn) for name in ("a", "b"))
        self._place, self._hatching = place, hatching

    async def start(self) -> None:
        await self.a.start([])
        await self.b.start([str(self.a.url).partition("//")[2]])

    async def command(self, *words: object) -> Hatched:
        """Begin a command; what it says goes to the file `said`."""
        async with await trio.open_file(self._place / "said", "ab") as said:
            return await self._hatching.spawn(list(map(str, words)), said.wrapped)

    def said(self) -> str:
        return (self._place / "said").read_text()


@asynccontextmanager
async def a_pair(place: Path) -> AsyncIterator[tuple[Pair, MeshClient, MeshClient]]:
    """Two peers that have met, and a client of each."""
    async with hatchery() as hatching, AsyncExitStack() as stack:
        pair = Pair(place, hatching)
        for peer in (pair.a, pair.b):
            stack.push_async_callback(peer.stop)
        await pair.start()
        at_a = await stack.enter_async_context(MeshClient([pair.a.url], author="eva"))
        at_b = await stack.enter_async_context(MeshClient([pair.b.url], author="eva"))
        assert await wait_for_everybody({"a": at_a, "b": at_b}, 2, PATIENCE_S)
        yield pair, at_a, at_b


async def kill_half_way(pair: Pair, at_a: MeshClient, intent: str, command: Hatched) -> None:
    """Kill peer a once some batches of an intent are stored there."""
    with trio.fail_after(PATIENCE_S):
        while not (await at_a.intent(intent)).batches:
            await trio.sleep(0.001)
    pair.a.kill()
    await command.wait()
    assert f"go on at any peer with --intent {intent}" in pair.said()


async def back_and_agreed(pair: Pair, at_b: MeshClient) -> None:
    """Peer a comes back and gets what it missed, and gives what nobody had heard of."""
    await pair.a.start([pair.b.url.partition("//")[2]])
    async with MeshClient([pair.a.url]) as again:
        clients = {"a": again, "b": at_b}
        assert await wait_for_everybody(clients, 2, PATIENCE_S)
        assert await wait_for_agreement(clients)


@pytest.mark.live
async def test_a_patch_of_many_whose_peer_is_killed_is_finished_at_another(tmp_path: Path) -> None:
    """What the dead peer had stored and told nobody is done again, to the same values: no conflict comes of it."""
    async with a_pair(tmp_path) as (pair, at_a, at_b):
        for start in range(0, COUNT, 200):
            keys = [f"U/{n:04}" for n in range(start, min(start + 200, COUNT))]
            await at_a.submit([{"op": "put", "collection": "note", "key": key, "value": {"a": 1}} for key in keys])
        assert await wait_for_agreement({"a": at_a, "b": at_b})
        work = Undertaking(at_a, "i", "", lambda done, of: pair.a.kill())
        with pytest.raises((MeshError, OSError)):
            await work.run("note", Where("U/"), patching({"a": 2}))
        report = await Undertaking(at_b, "i", "").run("note", Where("U/"), patching({"a": 2}))
        assert (report.matched, report.refused) == (COUNT, {})
        assert report.changed >= COUNT - 2 * 200, (
            "what reached b of the dead peer's work, perhaps only now, is not done again"
        )
        assert {record.value["a"] for record in await at_b.records("note", limit=1000)} == {2}
        await back_and_agreed(pair, at_b)
        records = await at_b.records("note", limit=1000)
        assert [(record.value["a"], record.conflicts) for record in records] == [(2, [])] * COUNT
        found = await at_b.intent("i")
        assert {record.key for record in found.records} == {record.key for record in records}


@pytest.mark.live
async def test_an_import_whose_peer_is_killed_is_finished_at_another(tmp_path: Path) -> None:
    file = tmp_path / "site.json"
    file.write_text(json.dumps(many_of(json.loads(EXAMPLE.read_text()), 15)))
    async with a_pair(tmp_path) as (pair, at_a, at_b):
        words = ("import", file, "--intent", "i", "--at")
        await kill_half_way(pair, at_a, "i", await pair.command(*words, pair.a.url))
        await (await pair.command(*words, pair.b.url)).wait()
        await back_and_agreed(pair, at_b)
        held = {(name, record.key): record for name in COLLECTIONS for record in await at_b.records(name, limit=1000)}
        values = {place: record.value for place, record in held.items()}
        wanted = chaos_mdsconfig.read(file.read_bytes())
        assert plan(lambda record: values.get((record.collection, record.key)), wanted, []).changes == []
        assert len(held) == len(wanted.records)
        assert all(record.conflicts == [] for record in held.values())


def many_of(site: dict[str, list[dict[str, object]]], times: int) -> dict[str, list[dict[str, object]]]:
    """A site with so many copies of each unit server, under names of their own."""
    text = json.dumps(site["us"])
    return {"us": [one for n in range(times) for one in json.loads(text.replace("LINAC", f"LINAC{n:02}"))]}
