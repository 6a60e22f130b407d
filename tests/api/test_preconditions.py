"""ETag and If-Match over REST, `expect` over the websocket: what was not seen is not written over."""

from pathlib import Path

import pytest

from mesh.api.faults import Invalid
from mesh.api.preconditions import read_conditions, read_tags
from mesh.client import MeshClient
from mesh.errors import Unmet
from tests.api.serving import one_node

PLACE = "/v1/records/variable/x"


@pytest.mark.parametrize(
    ("header", "tags"),
    [('"a"', ["a"]), ('"a", "b" ,"c"', ["a", "b", "c"]), ('W/"a", "b"', ["b"]), ('W/"a"', [])],
)
def test_strong_tags_are_read_and_weak_ones_match_nothing(header: str, tags: list[str]) -> None:
    assert read_tags(header) == tags
    assert read_conditions({"if-match": header}) == {"version": tags}


@pytest.mark.parametrize("header", ["a", '"a', '"a" "b"', ", "])
def test_what_is_no_tag_is_refused(header: str) -> None:
    with pytest.raises(Invalid):
        read_tags(header)
    with pytest.raises(Invalid):
        read_conditions({"if-none-match": header})


def test_a_star_means_any_record() -> None:
    assert read_conditions({"if-match": "*"}) == {"exists": True}
    assert read_conditions({"if-none-match": "*"}) == {"absent": True}
    assert read_conditions({}) == {}


@pytest.mark.live
async def test_a_tag_that_does_not_match_is_412_and_changes_nothing(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (_, http):
        assert (await http.put(PLACE, json={"value": 1}, headers={"If-Match": "*"})).status_code == 412
        assert (await http.put(PLACE, json={"value": 1}, headers={"If-None-Match": "*"})).status_code == 200
        assert (await http.put(PLACE, json={"value": 2}, headers={"If-None-Match": "*"})).status_code == 412
        first = (await http.get(PLACE)).headers["etag"]
        done = await http.patch(PLACE, json={"value": 2}, headers={"If-Match": first, "Mesh-Author": "eva"})
        assert done.status_code == 200
        for asked in (
            http.put(PLACE, json={"value": 3}, headers={"If-Match": first}),
            http.patch(PLACE, json={"value": 3}, headers={"If-Match": first}),
            http.delete(PLACE, headers={"If-Match": first}),
            http.get(PLACE, headers={"If-Match": first}),
            http.get(PLACE, headers={"If-Match": 'W/"weak"'}),
        ):
            answer = await asked
            said = answer.json()
            assert (answer.status_code, said["kind"], said["changed"]) == (412, "unmet", False)
        refused = (await http.patch(PLACE, json={"value": 3}, headers={"If-Match": first})).json()["details"]
        assert (refused["collection"], refused["key"], refused["expected"]) == ("variable", "x", first.strip('"'))
        assert [(one["value"], one["author"]) for one in refused["there"]] == [(2, "eva")]
        now = (await http.get(PLACE)).headers["etag"]
        assert (await http.get(PLACE, headers={"If-Match": f"{first}, {now}"})).json()["value"] == {"value": 2}
        assert (await http.delete(PLACE, headers={"If-Match": now})).status_code == 200
        assert (await http.put(PLACE, json={"value": 3}, headers={"If-Match": "x"})).status_code == 400


@pytest.mark.live
async def test_each_operation_of_a_batch_may_expect_something(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (ada, _), MeshClient([ada.url], author="eva") as client:
        await client.put("variable", "x", {"value": 1}, expect="absent")
        seen = await client.get("variable", "x")
        dot = (await client.blame("variable", "x")).items[0].dot
        guarded = {"op": "patch", "collection": "variable", "key": "x", "patch": {"value": 2}}
        other = {"op": "put", "collection": "variable", "key": "y", "value": {"value": 1}, "expect": {"absent": True}}
        await client.submit([{**guarded, "expect": {"fields": {"value": [dot], "unit": []}}}, other])
        for expect in (
            {"version": seen.version},
            {"fields": {"value": [dot]}},
            {"token": seen.token},
            {"absent": True},
        ):
            with pytest.raises(Unmet, match="last written by eva") as unmet:
                await client.submit([{**other, "key": "z"}, {**guarded, "expect": expect}])
            assert unmet.value.details["key"] == "x"
        assert [record.key for record in await client.records("variable")] == ["x", "y"]
        token = (await client.get("variable", "x")).token
        await client.patch("variable", "x", {"value": 3}, expect={"token": token})
        with pytest.raises(Unmet):
            await client.bury("variable", "x", expect=seen.version)
        with pytest.raises(Unmet):
            await client.restore("variable", "x", expect={"token": token})
