"""If-Match and If-None-Match (RFC 9110 §13.1) as what a client expects of a record.

Invariant: entity tags are the versions of records, compared strongly; a weak tag matches nothing.
"""

import re
from collections.abc import Mapping

from mesh.api.faults import Invalid
from mesh.api.shapes import RecordAnswer
from mesh.errors import Unmet

_TAGS = re.compile(r'\s*(W/)?"([^"]*)"\s*(?:,|$)')


def read_conditions(headers: Mapping[str, str]) -> dict[str, object]:
    """The `expect` that the conditions of a request stand for; empty where there are none. Raises Invalid."""
    expect: dict[str, object] = {}
    given, none = headers.get("if-match", "").strip(), headers.get("if-none-match", "").strip()
    if given == "*":
        expect["exists"] = True
    elif given:
        expect["version"] = read_tags(given)
    if none == "*":
        expect["absent"] = True
    elif none:
        raise Invalid(
            f"If-None-Match: {none[:80]} came",
            field="If-None-Match",
            rule="only *, which asks that there is no record",
            todo="write If-None-Match: *, or leave it out",
        )
    return expect


def read_tags(given: str) -> list[str]:
    """The strong entity tags in a header. Raises Invalid."""
    found: list[str] = []
    place = 0
    while place < len(given):
        tag = _TAGS.match(given, place)
        if tag is None:
            raise Invalid(
                f"If-Match: {given[:80]} came",
                field="If-Match",
                rule="entity tags in double quotes, or *",
                todo="send the ETag of an earlier answer as it was",
            )
        found += [] if tag[1] else [tag[2]]
        place = tag.end()
    return found


def check_conditions(answer: RecordAnswer, expect: Mapping[str, object]) -> None:
    """Raise Unmet where a record that was read is not as the request asked."""
    versions = expect.get("version")
    wanted = versions if isinstance(versions, list) else [answer.version]
    if answer.version not in wanted or expect.get("absent"):
        said = "no record" if expect.get("absent") else " or ".join(wanted) or "a strong tag"
        place = {"collection": answer.collection, "key": answer.key, "field": ""}
        raise Unmet(
            f"{answer.collection}/{answer.key} is not as expected: expected {said}, found {answer.version}",
            field="If-Match",
            rule="what was seen is still there",
            todo="get the record without the condition",
            details={**place, "expected": said, "found": answer.version, "there": []},
        )
