"""An event is one line."""

import pytest

from mesh.cli.looking import answering, degraded, line, noticed
from mesh.client import Event
from mesh.runtime.rows import EvidenceRow, MemberRow, Why


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Event(1, "SYNC", token="t"), ". SYNC"),
        (Event(1, "REMOVE", "a", author="eva", reason="old"), "- REMOVE a (eva: old)"),
        (Event(1, "UPDATE", "a", {"b": 1}, changed=["b"], author="eva"), '~ UPDATE a [b] (eva) {"b":1}'),
        (
            Event(
                1,
                "UPDATE",
                "unit/a",
                {"topic": "unit/a", "owner": "ada", "reachable": False, "value": {"state": "INIT"}},
            ),
            "~ UPDATE unit/a at ada (not reachable): INIT",
        ),
        (
            Event(1, "UPDATE", "00", {"standing": "down", "name": "bob"}, reason="member.down"),
            "~ UPDATE 00 (member.down) bob is down",
        ),
    ],
)
def test_an_event_is_one_line(event: Event, text: str) -> None:
    assert line(event) == text


@pytest.mark.parametrize(
    ("how", "text"),
    [("", ""), ("unsteady", ", unsteady"), ("streams", ", streams fail"), ("datagrams", ", datagrams fail")],
)
def test_what_is_wrong_with_a_member_stands_behind_how_it_stands(how: str, text: str) -> None:
    assert degraded(how) == text


def why(standing: str, **more: object) -> Why:
    row = MemberRow("00", "bob", "127.0.0.1:1", "", standing, 0.0, 1, False, None)
    return Why(row, more.pop("rtt_ms", None), 0, [], **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (why("alive", rtt_ms=2.5), "within 2.5 ms"),
        (why("alive"), "not been asked yet"),
        (why("alive", silent=True), "others, or streams, may reach it"),
        (why("suspect", silent=True, heard=True), "what the asked peer sends it is lost"),
        (why("down", rtt_ms=2.5), "dialled again and again"),
        (why("ended"), "an admin has ended it"),
    ],
)
def test_how_a_member_answers_is_said_before_the_evidence(found: Why, said: str) -> None:
    assert said in answering(found)


def test_what_was_noticed_often_says_how_often() -> None:
    assert noticed(EvidenceRow(0.0, "no stream", [])) == "no stream"
    assert noticed(EvidenceRow(0.0, "no stream", [], 60.0, 15)).startswith("no stream (15 times, until ")
