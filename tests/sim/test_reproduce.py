"""A report is all that is needed to run the same again.

Invariant: reports go through JSON, as files do.
"""

import msgspec
import pytest
from msgspec.structs import replace

from mesh.errors import UsageError
from sim.report import Report, as_json
from sim.reproduce import data_of, read_report, reproduce
from sim.run import run
from tests.sim.mesh import scenario


@pytest.fixture(scope="module")
def report() -> Report:
    faults = [{"kind": "crash", "at_s": 7, "restart_after_s": 2}]
    made = run(scenario(nodes=3, seconds=16, workload={"settle_s": 4}, faults=faults), 11)
    return read_report(as_json(made).encode(), "report.json")


def test_it_gives_the_same_data_byte_for_byte(report: Report) -> None:
    found = reproduce(report)
    assert found.same
    assert data_of(found.report) == data_of(report)
    assert found.differing == ()
    assert all("commit" in line for line in found.otherwise)  # These tests also run where files were changed.


def test_what_differs_is_named(report: Report) -> None:
    found = reproduce(replace(report, seed=12, trace_hash="0" * 32))
    assert not found.same
    assert "trace_hash" in found.differing
    older = replace(report, provenance=replace(report.provenance, python="2.7.18"))
    assert any(line.startswith("Python: 2.7.18 then") for line in reproduce(older).otherwise)


def test_what_is_no_report_is_told(report: Report) -> None:
    with pytest.raises(UsageError, match="a report was expected"):
        read_report(b"{}", "x.json")
    with pytest.raises(UsageError, match="schema 99"):
        read_report(msgspec.json.encode({**msgspec.to_builtins(report), "schema": 99}), "x.json")
