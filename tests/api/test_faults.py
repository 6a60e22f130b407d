"""Every error has one kind, whichever way it is asked for, and says whether something changed."""

import pytest

from mesh.api.faults import Behind, Buried, Busy, TooLarge, problem, rpc_error
from mesh.errors import NotFound, Refused, StorageError, UsageError


@pytest.mark.parametrize(
    ("error", "kind", "status", "changed"),
    [
        (UsageError("bad"), "usage", 422, False),
        (NotFound("none"), "not_found", 404, False),
        (Buried("gone"), "buried", 404, False),
        (Refused("no"), "refused", 409, False),
        (TooLarge("big"), "too_large", 413, False),
        (Behind("late"), "behind", 503, False),
        (Busy("full"), "busy", 429, False),
        (StorageError("disk"), "storage", 503, None),
        (ZeroDivisionError("secret"), "internal", 500, None),
    ],
)
def test_an_error_has_one_kind_in_both_worlds(error: Exception, kind: str, status: int, changed: bool | None) -> None:
    said, told = problem(error), rpc_error(error)
    assert (said.kind, said.status, said.changed) == (kind, status, changed)
    assert (told.data.kind, told.data.changed, told.message) == (kind, changed, said.detail)


def test_what_is_our_own_mistake_is_not_shown() -> None:
    assert "secret" not in problem(ZeroDivisionError("secret")).detail


def test_field_rule_and_todo_reach_the_client() -> None:
    said = problem(UsageError("it is wrong", field="desired", rule="one of A, B", todo="choose one"))
    assert (said.detail, said.field, said.rule, said.todo) == ("it is wrong", "desired", "one of A, B", "choose one")
