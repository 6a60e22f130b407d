"""What a peer says is wrong arrives as the exception that it was."""

import pytest

from mesh.client.faults import Behind, Fault, FaultData, PeerFailed, exception_of
from mesh.errors import MeshError, NotFound, Refused, StorageError, Unmet, UsageError


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("not_found", NotFound),
        ("buried", NotFound),
        ("refused", Refused),
        ("usage", UsageError),
        ("of a later version", UsageError),
        ("behind", Behind),
        ("storage", StorageError),
        ("internal", PeerFailed),
    ],
)
def test_each_kind_has_its_class(kind: str, expected: type[MeshError]) -> None:
    assert type(exception_of(Fault(-1, "said", FaultData(kind)))) is expected


def test_what_is_unmet_brings_its_details() -> None:
    error = exception_of(Fault(-1, "said", FaultData("unmet", "f", "r", "t", details={"key": "x"})))
    assert isinstance(error, Unmet)
    assert (error.field, error.rule, error.todo, error.details) == ("f", "r", "t", {"key": "x"})
