"""What is enabled, what is healthy and what is reachable are three answers."""

from pathlib import Path

import pytest

from mesh.api.state import desired_of
from tests.api.serving import one_node
from tests.runtime.meshes import until

pytestmark = pytest.mark.live
UNIT = "/v1/records/unit/BTF/DIPOLE/DHSTB001"
TOPIC = "unit/BTF/DIPOLE/DHSTB001"


async def test_state_says_what_is_wanted_what_is_well_and_who_can_be_reached(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, http):
        await http.put(UNIT, json={"desired": "START"})
        node.publish("unit/BTF/DIPOLE/DHSTB001", {"healthy": False, "state": "FATAL_ERROR"})
        node.publish("node", {"version": "1"})
        await until(lambda: len(node.state()) == 2)
        (row,) = (await http.get("/v1/state/unit/BTF/DIPOLE/DHSTB001")).json()["items"]
        assert (row["enabled"], row["desired"], row["healthy"], row["reachable"]) == (True, "START", False, True)
        other = (await http.get("/v1/state?prefix=node")).json()["items"]
        assert [(row["owner"], row["enabled"], row["healthy"]) for row in other] == [("ada", None, None)]


async def test_what_nobody_wants_is_not_enabled(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (node, http):
        for wanted in ("START", "DEINIT", None):
            await http.put(UNIT, json={"desired": wanted, "description": "x"})
            with node.read() as reader:
                assert desired_of(reader, TOPIC) == wanted
        await http.put(UNIT, json={"desired": "START"})
        await http.delete(UNIT)
        with node.read() as reader:
            assert (desired_of(reader, TOPIC), desired_of(reader, "node")) == (None, None)
