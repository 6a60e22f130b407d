"""Reads show one committed state, in pages, with what is in conflict."""

from pathlib import Path

import httpx2
import pytest

from mesh.api.reading import has_labels, has_text, slices
from tests.api.serving import attended, client_of, one_node
from tests.runtime.meshes import make_folders, put, running, until

pytestmark = pytest.mark.live


@pytest.mark.parametrize(
    ("labels", "has"),
    [({}, True), ({"a": "1"}, True), ({"a": "1", "b": "2"}, True), ({"a": "2"}, False), ({"c": "1"}, False)],
)
def test_all_labels_have_to_be_there(labels: dict[str, str], has: bool) -> None:
    assert has_labels({"labels": {"a": "1", "b": "2"}}, labels) is has
    assert has_labels({"labels": "a leaf"}, labels) is (not labels)


@pytest.mark.parametrize("text", ["btf", "rapid", 'say "a"', "zürich", "desc", ""])
def test_a_text_is_found_in_key_names_and_values(text: str) -> None:
    assert has_text("BTF/A", {"description": 'RAPID, they say "A"', "list": [{"x": "ZÜRICH"}]}, text)
    assert not has_text("BTF/A", {}, "nothing")


async def test_pages_together_are_the_collection(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (_, http):
        for key in ("B/1", "A/1", "A/2", "C"):
            await http.put(f"/v1/records/unit/{key}", json={"labels": {"zone": key[0]}, "description": f"Unit {key}"})
        keys: list[str] = []
        after_key: str | None = ""
        while after_key is not None:
            page = (await http.get("/v1/records/unit", params={"limit": 2, "after_key": after_key})).json()
            keys += [row["key"] for row in page["items"]]
            after_key = page["next"]
        assert keys == ["A/1", "A/2", "B/1", "C"]
        assert await listed(http, "prefix=A/") == ["A/1", "A/2"]
        assert await listed(http, "label.zone=B") == ["B/1"]
        assert await listed(http, "text=uNIT a/2") == ["A/2"]
        assert await listed(http, "label.zone=Z") == []


async def listed(http: httpx2.AsyncClient, query: str) -> list[str]:
    answer = await http.get(f"/v1/records/unit?{query}")
    return [row["key"] for row in answer.json()["items"]]


async def test_slices_are_the_whole_collection_in_order(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, _):
        for number in range(30):
            await put(node, f"k{number:02}", number)
        keys = [stored.record.key async for part in slices(node, "variable") for stored in part.records]
        assert keys == [f"k{number:02}" for number in range(30)]
        assert [part.records async for part in slices(node, "nothing")] == [[]]


async def test_a_conflict_is_shown_with_both_values_until_it_is_settled(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "bob")
    for name, value in (("ada", 1), ("bob", 2)):
        async with running(tmp_path, name) as (alone,):
            await put(alone, "x", value)
    async with running(tmp_path, "ada", "bob") as (ada, bob), attended(ada), client_of(ada) as http:
        await until(lambda: ada.health().fingerprint == bob.health().fingerprint)
        record = (await http.get("/v1/records/variable/x")).json()
        (conflict,) = record["conflicts"]
        assert conflict["field"] == "value"
        assert [(value["value"], value["shown"]) for value in conflict["values"]] == [(2, True), (1, False)]
        await http.put("/v1/records/variable/x", json={"value": 2})
        assert (await http.get("/v1/records/variable/x")).json()["conflicts"] == []
