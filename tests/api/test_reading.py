"""Reads show one committed state, in pages, with what is in conflict."""

import time
from functools import partial
from itertools import pairwise
from pathlib import Path

import httpx2
import pytest
import trio

from mesh.api.reading import PAGE_BYTES_MAX, SLICE_S, has_labels, has_text, slices
from mesh.crdt.view import StoredRecord
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
        keys = [key async for part in slices(node, lambda stored: stored.record.key, "variable") for key in part.seen]
        assert keys == [f"k{number:02}" for number in range(30)]
        assert [part.seen async for part in slices(node, str, "nothing")] == [[]]


async def test_readers_take_turns_and_each_slice_ends_before_the_next_begins(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, _):
        for number in range(3):
            await put(node, f"k{number}", number)
        order: list[str] = []

        async def read(name: str) -> None:
            look = partial(slow_look, order, name)
            _ = [part async for part in slices(node, look, "variable")]

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, "a")
            nursery.start_soon(read, "b")
        assert sorted(order) == ["a"] * 3 + ["b"] * 3
        assert all(one != other for one, other in pairwise(order))


def slow_look(order: list[str], name: str, _: StoredRecord) -> None:
    """Takes a whole slice for one record."""
    order.append(name)
    end = time.perf_counter() + SLICE_S
    while time.perf_counter() <= end:
        pass


async def test_a_page_of_one_slice_is_one_state_and_a_page_of_several_does_not_claim_it(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, http):
        await put(node, "x", 1)
        assert (await http.get("/v1/records/variable")).json()["one_state"] is True
        for lane in range(8):  # Together more than is looked at in one slice.
            operations = [
                {"op": "put", "collection": "variable", "key": f"{lane}/{number}", "value": {"value": number}}
                for number in range(200)
            ]
            answer = await http.post("/v1/records", json={"operations": operations})
            assert answer.status_code == 200
        page = (await http.get("/v1/records/variable?text=nowhere")).json()
        assert (page["items"], page["next"], page["one_state"]) == ([], None, False)


async def test_a_page_ends_where_it_has_many_bytes_and_the_next_goes_on(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, http):
        large = "x" * 30_000
        for number in range(12):
            await put(node, f"k{number:02}", large)
        first = (await http.get("/v1/records/variable?limit=1000")).json()
        sent = sum(len(row["value"]["value"]) for row in first["items"])
        assert PAGE_BYTES_MAX <= sent < PAGE_BYTES_MAX + 2 * len(large)
        rest = (await http.get(f"/v1/records/variable?limit=1000&after_key={first['next']}")).json()
        keys = [row["key"] for row in (*first["items"], *rest["items"])]
        assert (keys, rest["next"]) == ([f"k{number:02}" for number in range(12)], None)


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
