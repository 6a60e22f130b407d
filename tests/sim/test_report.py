"""A report is one JSON object and a table, with the same figures."""

import io
import json

from rich.console import Console

from sim.report import as_json, show, times_of
from sim.run import run
from tests.sim.mesh import scenario


def test_the_json_object_has_what_is_promised() -> None:
    found = json.loads(as_json(run(scenario(), 3)))
    promised = ["scenario", "seed", "nodes", "sim_s", "real_s", "messages", "messages_per_s", "trace_hash", "converged"]
    assert set(promised) | {"metrics"} <= set(found)
    assert (found["scenario"], found["seed"], found["nodes"], found["sim_s"]) == ("test", 3, 4, 40.0)
    assert found["messages"] == sum(kind["messages"] for kind in found["metrics"]["traffic"].values())


def test_the_table_says_what_failed() -> None:
    report = run(scenario(checks={"grace_s": 0}, faults=[{"kind": "partition", "at_s": 10}]), 1)
    text = io.StringIO()
    show(report, Console(file=text, width=120))
    assert "FAILED: ledger digests differ" in text.getvalue()
    assert report.trace_hash in text.getvalue()


def test_times_are_by_nearest_rank() -> None:
    times = times_of([float(number) for number in range(100, 0, -1)])
    assert times is not None
    assert (times.count, times.p50, times.p99, times.max) == (100, 51.0, 100.0, 100.0)
    assert times_of([]) is None
