"""An event is one line."""

import pytest

from mesh.cli.looking import line
from mesh.client import Event


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Event(1, "SYNC", token="t"), ". SYNC"),
        (Event(1, "REMOVE", "a", author="eva", reason="old"), "- REMOVE a (eva: old)"),
        (Event(1, "UPDATE", "a", {"b": 1}, changed=["b"], author="eva"), '~ UPDATE a [b] (eva) {"b":1}'),
    ],
)
def test_an_event_is_one_line(event: Event, text: str) -> None:
    assert line(event) == text
