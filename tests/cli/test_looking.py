"""An event is one line."""

import pytest

from mesh.cli.looking import degraded, line
from mesh.client import Event


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
