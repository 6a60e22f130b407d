"""REST over real sockets with a foreign client: what is written is read, and what is wrong is explained."""

from pathlib import Path

import pytest

from mesh.api.faults import Malformed, UsageError
from mesh.api.json_input import BODY_BYTES_MAX
from mesh.api.rest import read_query
from tests.api.serving import attended, client_of, one_node
from tests.runtime.meshes import make_folders, running

UNIT = "/v1/records/unit/BTF/DIPOLE/DHSTB001"
VALUE = {"desired": "START", "labels": {"zone": "BTF"}, "attributes": {"position": {"max": 3}}}


def test_a_query_becomes_parameters() -> None:
    pairs = [("label.zone", "BTF"), ("label.a.b", "c"), ("limit", "5"), ("timeout_s", "0.5"), ("prefix", "5")]
    expected = {"labels": {"zone": "BTF", "a.b": "c"}, "limit": 5, "timeout_s": 0.5, "prefix": "5"}
    assert read_query(pairs) == expected


@pytest.mark.parametrize("pairs", [[("limit", "x")], [("a", "1"), ("a", "2")], [("label.z", "1"), ("label.z", "2")]])
def test_a_query_that_makes_no_sense_is_refused(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises((UsageError, Malformed)):
        read_query(pairs)


async def test_a_record_lives_from_put_to_restore(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (_, http):
        put = await http.put(UNIT, json=VALUE, headers={"Mesh-Author": "eva", "Mesh-Reason": "first light"})
        assert (put.status_code, put.json()["changed"]) == (200, True)
        got = await http.get(UNIT, params={"after": put.json()["token"]})
        assert (got.json()["value"], got.json()["changed"]["author"]) == (VALUE, "eva")
        assert got.headers["mesh-token"] == got.json()["token"]
        await http.patch(UNIT, json={"desired": "STOP", "labels": None})
        assert (await http.get(UNIT)).json()["value"] == {"desired": "STOP", "attributes": VALUE["attributes"]}
        assert (await http.delete(UNIT)).status_code == 200
        gone = await http.get(UNIT)
        assert (gone.status_code, gone.json()["kind"]) == (404, "buried")
        assert "restore" in gone.json()["todo"]
        assert [row["key"] for row in (await http.get("/v1/records/unit?buried=true")).json()["items"]] == [
            "BTF/DIPOLE/DHSTB001"
        ]
        await http.post("/v1/restore/unit/BTF/DIPOLE/DHSTB001")
        assert (await http.get(UNIT)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("PUT", UNIT, b'{"a":\n 1,,}', 400, "line 2, column 4"),
        ("PUT", UNIT, b"[1]", 400, "object"),
        ("PUT", UNIT, b"{}", 422, "at least one field"),
        ("PUT", UNIT, b'{"desired": "UP"}', 422, "desired"),
        ("PUT", "/v1/records/Unit/x", b'{"a": 1}', 422, "cannot name a collection"),
        ("PUT", "/v1/records/unit/a//b", b'{"a": 1}', 422, "empty segment"),
        ("PATCH", UNIT, b'{"a": 1}', 404, "there is no unit"),
        ("GET", UNIT, b"", 404, "there is no unit"),
        ("GET", "/v1/records/unit?limit=0", b"", 400, "limit"),
        ("GET", "/v1/records/unit?labl.zone=x", b"", 400, "labl.zone"),
        ("GET", UNIT + "?after=!", b"", 422, "token"),
        ("GET", "/v1/state/unit/none", b"", 404, "no member has said"),
        ("GET", "/v1/nothing", b"", 404, "/v1/nothing"),
        ("DELETE", "/v1/health", b"", 405, "not offered"),
    ],
)
async def test_what_is_wrong_is_explained(
    tmp_path: Path, method: str, path: str, body: bytes, status: int, said: str
) -> None:
    async with one_node(tmp_path) as (node, http):
        before = node.health().fingerprint
        answer = await http.request(method, path, content=body)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert said in problem["detail"] + problem["field"], problem
        assert (problem["status"], problem["changed"]) == (status, False)
        assert problem["todo"]
        assert node.health().fingerprint == before


@pytest.mark.parametrize("announced", [True, False])
async def test_a_large_body_is_refused(tmp_path: Path, announced: bool) -> None:
    async with one_node(tmp_path) as (_, http):
        body = b'"' + b"x" * (BODY_BYTES_MAX + 1)

        async def pieces():  # type: ignore[no-untyped-def]  # An asynchronous generator for httpx.
            yield body

        answer = await http.put(UNIT, content=body if announced else pieces())
        assert (answer.status_code, answer.json()["kind"]) == (413, "too_large")


async def test_a_page_of_another_site_may_not_write(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, http):
        foreign = await http.put(UNIT, json=VALUE, headers={"Origin": "https://evil.example"})
        assert (foreign.status_code, foreign.json()["kind"]) == (403, "forbidden")
        own = await http.put(UNIT, json=VALUE, headers={"Origin": node.url})
        assert own.status_code == 200


async def test_a_peer_that_has_not_caught_up_says_so(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "bob")
    async with running(tmp_path, "ada") as (ada,), attended(ada), client_of(ada) as http:
        token = (await http.put("/v1/records/variable/x", json={"value": 1})).json()["token"]
    async with running(tmp_path, "bob") as (bob,), attended(bob), client_of(bob) as http:
        answer = await http.get("/v1/records/variable/x", params={"after": token, "timeout_s": 0.05})
        assert (answer.status_code, answer.json()["kind"]) == (503, "behind")


async def test_a_token_from_one_peer_holds_at_another(tmp_path: Path) -> None:
    make_folders(tmp_path, "ada", "bob")
    async with (
        running(tmp_path, "ada", "bob") as (ada, bob),
        attended(ada),
        attended(bob),
        client_of(ada) as first,
        client_of(bob) as second,
    ):
        token = (await first.put("/v1/records/variable/x", json={"value": 1})).json()["token"]
        answer = await second.get("/v1/records/variable/x", params={"after": token, "timeout_s": 20})
        assert answer.json()["value"] == {"value": 1}


async def test_the_rest_is_there(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (_, http):
        assert (await http.get("/v1/health")).json()["name"] == "ada"
        assert [row["name"] for row in (await http.get("/v1/members")).json()["items"]] == ["ada"]
        page = await http.get("/")
        assert (page.status_code, "<title>" in page.text) == (200, True)
        assert "http" + "s://" not in page.text
        metrics = (await http.get("/metrics")).text
        assert 'mesh_members{standing="alive"} 1.0' in metrics
        assert 'mesh_api_requests_total{method="GET",route="/v1/health",status="200"} 1.0' in metrics
        assert (await http.get("/v1/openapi.json")).json()["openapi"] == "3.1.0"
