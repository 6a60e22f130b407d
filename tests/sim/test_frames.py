"""Tables hold what the trace and the journal hold.

Invariant: one small mesh with a crash, traced from its beginning.
"""

import io

import polars as pl
import pytest

from sim.frames import CDF, EVENTS, cdf, events_of
from sim.laboratory import Mesh
from tests.sim.mesh import scenario

LINES = [
    "0 n0001 starts, boot 1\n",
    "1000000 n0001 > n0002 Ping 120 00ff00ff00ff00ff\n",
    "1500000 n0001 > n0002 stream Batches 4000 11ff00ff00ff00ff\n",
    "2000000 n0002 < Ping 120 00ff00ff00ff00ff\n",
    "2000000 n0002 < Stored 3\n",
    '2000000 n0002 > Emit {"name":"member.alive","about":{"reason":"two words"}}\n',
    "3000000 n0002 crashes silent=True lost_disk=False\n",
]


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    made = Mesh(scenario(nodes=4, seconds=30, faults=[{"kind": "crash", "at_s": 8, "nodes": [2]}]), 2)
    made.run_for(25)
    return made


def test_each_kind_of_line_has_its_row() -> None:
    rows = events_of(LINES).rows()
    assert rows[0] == (0.0, "n0001", "machine", "starts", None, None, None, "boot 1")
    assert rows[1] == (0.001, "n0001", "sent", "Ping", "n0002", 120, "00ff00ff00ff00ff", None)
    assert rows[2] == (0.0015, "n0001", "streamed", "Batches", "n0002", 4000, "11ff00ff00ff00ff", None)
    assert rows[3] == (0.002, "n0002", "received", "Ping", "n0001", 120, "00ff00ff00ff00ff", None)
    assert rows[4] == (0.002, "n0002", "event", "Stored", None, None, None, "3")
    assert rows[5][2:4] == ("effect", "Emit")
    assert "two words" in rows[5][7]
    assert rows[6][2:4] == ("machine", "crashes")


def test_the_table_agrees_with_the_traffic(mesh: Mesh) -> None:
    events = mesh.events()
    assert dict(events.schema) == EVENTS
    sent = events.filter(pl.col("way").is_in(["sent", "streamed"])).group_by("kind").len().sort("kind")
    assert dict(sent.rows()) == {kind: count for kind, count, _ in mesh.traffic().rows()}
    received = events.filter(pl.col("way") == "received")
    assert received["peer"].null_count() == 0
    assert received.filter(pl.col("peer") == pl.col("node")).is_empty()


def test_the_same_run_gives_the_same_table_from_a_file(mesh: Mesh) -> None:
    text = io.StringIO()
    again = Mesh(mesh.scenario, 2)
    again.run_for(25)
    assert again.events().equals(mesh.events())
    assert events_of(text).is_empty()


def test_every_survivor_notices_the_crash_once(mesh: Mesh) -> None:
    found = mesh.detections()
    assert found["node"].unique().to_list() == ["n0002"]
    assert sorted(found["observer"]) == ["n0000", "n0001", "n0003"]
    assert found["after_s"].null_count() == 0


def test_writes_and_delays_are_those_of_the_journal(mesh: Mesh) -> None:
    writes = mesh.writes().drop_nulls("acknowledged_s")
    assert (writes["acknowledged_s"] >= writes["submitted_s"]).all()
    assert mesh.delays()["value"][-1] == pytest.approx(writes["last_s"].max())


def test_a_distribution_leaves_out_what_is_not_there() -> None:
    assert cdf([3.0, None, 1.0]).rows() == [(1.0, 0.5), (3.0, 1.0)]
    assert dict(cdf([]).schema) == CDF
