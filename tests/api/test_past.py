"""The past of a record over real sockets: who, when, why, what it was, what differs, and the way back."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.api.past import cursor, differences, read_cursor, read_moment
from mesh.api.provenance import FieldDiff
from mesh.client import MeshClient
from mesh.errors import NotFound, Refused, UsageError
from mesh.ids import Dot, WriterId
from tests.api.serving import one_node, two_peers

UNIT = ("unit", "A/B/C")


def test_differences_are_named_by_field() -> None:
    assert differences({"a": 1, "b": 2, "c": 1}, {"b": 3, "c": 1, "d": None}) == [
        FieldDiff("a", "removed", 1, None),
        FieldDiff("b", "changed", 2, 3),
        FieldDiff("d", "added", None, None),
    ]
    assert [one.kind for one in differences({"a": 1}, {"a": True})] == ["changed"]


@given(st.integers(0, 2**63), st.binary(min_size=16, max_size=16), st.integers(1, 2**40), st.integers(0, 255))
def test_a_cursor_names_a_place(stamp: int, writer: bytes, number: int, index: int) -> None:
    rank = (stamp, Dot(WriterId(writer), number, index, writer[:8]))
    assert read_cursor(cursor(rank)) == rank


@given(st.text())
def test_what_is_no_cursor_is_explained(given: str) -> None:
    with suppress(UsageError):
        assert cursor(read_cursor(given)) == given


def test_a_moment_is_a_number_a_date_or_a_token() -> None:
    assert read_moment(5.5) == 5.5
    assert read_moment("5.5") == 5.5
    assert read_moment("2026-11-21T10:00:00+01:00") == datetime(2026, 11, 21, 9, tzinfo=UTC).timestamp()
    assert read_moment("AYA") == "AYA"


@pytest.mark.parametrize("given", ["2026-11-21T10:00:00", "2026-11-21", -1.0, 1e30, "nan", "inf", float("nan")])
def test_a_time_that_makes_no_sense_is_explained(given: str | float) -> None:
    with pytest.raises(UsageError) as caught:
        read_moment(given)
    assert (caught.value.field, bool(caught.value.todo)) == ("at", True)


@pytest.mark.live
async def test_history_and_blame_tell_who_when_where_and_why(tmp_path: Path) -> None:
    async with two_peers(tmp_path) as (at_a, at_b):
        first = await at_a.put(*UNIT, {"desired": "START", "labels": {"zone": "A"}}, reason="first light")
        await at_b.get(*UNIT, after=first.token, timeout_s=20)
        second = await at_b.patch(*UNIT, {"desired": "STOP"}, reason="beam off")
        await at_a.put("unit", "other", {"desired": "STOP"})
        found = await at_a.history(*UNIT, after=second.token)
        said = [(row.field, row.value, row.peer, row.reason) for row in found.items]
        assert sorted(said[:2]) == [("desired", "START", "a", "first light"), ("labels.zone", "A", "a", "first light")]
        assert said[2:] == [("desired", "STOP", "b", "beam off")]
        replaced = [row.dot for row in found.items if row.value == "START"]
        assert found.items[-1].replaced == replaced
        newest = await at_a.history(*UNIT, limit=1)
        assert (newest.items, newest.truncated, newest.total) == (found.items[-1:], True, 3)
        older = await at_a.history(*UNIT, limit=1, before=newest.next or "")
        assert (older.items, older.truncated) == (found.items[1:2], True)
        assert await at_a.changes(*UNIT, page=1) == await at_a.changes(*UNIT, page=2) == found.items
        blame = await at_a.blame(*UNIT)
        assert [(row.field, row.value, row.peer, row.reason, row.conflict) for row in blame.items] == [
            ("desired", "STOP", "b", "beam off", False),
            ("labels.zone", "A", "a", "first light", False),
        ]
        assert blame.items[0].batch == found.items[-1].batch
        for ask in (at_a.history, at_a.blame):
            with pytest.raises(NotFound, match="never was"):
                await ask("unit", "none")


@pytest.mark.live
async def test_a_record_is_shown_as_it_was_and_made_so_again(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (ada, http), MeshClient([ada.url], author="eva") as client:
        before = (await client.put("unit", "other", {"desired": "START"})).token
        first = (await client.put(*UNIT, {"desired": "START", "labels": {"zone": "A"}})).token
        second = (await client.put(*UNIT, {"desired": "STOP", "description": "x"})).token
        buried = (await client.bury(*UNIT)).token
        shown = [await client.show_at(*UNIT, token) for token in (before, first, second, buried)]
        assert [one.standing for one in shown] == ["none", "shown", "shown", "buried"]
        assert shown[1].value == {"desired": "START", "labels": {"zone": "A"}}
        assert shown[2].value == shown[3].value == {"desired": "STOP", "description": "x"}
        assert shown[1].token == first
        for moment in (shown[2].changed.at, datetime.fromtimestamp(shown[2].changed.at, UTC).isoformat()):
            then = await client.show_at(*UNIT, moment)
            assert then.value in (shown[1].value, shown[2].value)  # Both may be of one millisecond.
        assert (await client.show_at(*UNIT, 5)).standing == "none"
        assert (await client.show_at(*UNIT, 4e9)).standing == "buried"
        diff = await client.diff(*UNIT, first, second)
        assert [(one.field, one.kind) for one in diff.fields] == [
            ("description", "added"),
            ("desired", "changed"),
            ("labels.zone", "removed"),
        ]
        with pytest.raises(Refused, match="was buried"):
            await client.revert(*UNIT, first)
        await client.restore(*UNIT)
        assert (await client.revert(*UNIT, first, reason="it worked")).changed
        assert (await client.get(*UNIT)).value == shown[1].value
        assert not (await client.revert(*UNIT, first)).changed
        now = (await client.get(*UNIT)).token
        assert (await http.get("/v1/diff/unit/A/B/C", params={"a": first, "b": now})).json()["fields"] == []


@pytest.mark.live
async def test_the_past_over_rest(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (_, http):
        put = (await http.put("/v1/records/unit/A/B/C", json={"desired": "START"})).json()
        await http.patch("/v1/records/unit/A/B/C", json={"desired": "STOP"})
        past = (await http.get("/v1/past/unit/A/B/C", params={"at": put["token"]})).json()
        assert (past["standing"], past["value"]) == ("shown", {"desired": "START"})
        history = (await http.get("/v1/history/unit/A/B/C?limit=1")).json()
        assert ([row["value"] for row in history["items"]], history["truncated"]) == (["STOP"], True)
        assert [row["field"] for row in (await http.get("/v1/blame/unit/A/B/C")).json()["items"]] == ["desired"]
        await http.post("/v1/revert/unit/A/B/C", json={"to": put["token"]})
        assert (await http.get("/v1/records/unit/A/B/C")).json()["value"] == {"desired": "START"}
        await http.post("/v1/revert/unit/A/B/C", json={"to": 5})
        assert (await http.get("/v1/records/unit/A/B/C")).json()["kind"] == "buried"
        for query in ("", "at=!", "at=2026-11-21", "at=-5"):
            answer = await http.get(f"/v1/past/unit/A/B/C?{query}")
            assert (answer.status_code in (400, 422), bool(answer.json()["todo"])) == (True, True), answer.text
