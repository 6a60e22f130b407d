"""A scenario that was written is read back as the same value.

Invariant: every packaged scenario, and many that chance made, go there and back.
"""

import tomllib
from pathlib import Path

import pytest
from msgspec.structs import replace

from sim.library import load, packaged
from sim.scenario import Scenario
from sim.swarm import swarm
from sim.writing import as_toml
from tests.sim.mesh import scenario


def there_and_back(made: Scenario, folder: Path) -> Scenario:
    path = folder / f"{made.name}.toml"
    path.write_text(as_toml(made), "utf-8")
    return load(str(path))


@pytest.mark.parametrize("name", packaged())
def test_packaged_scenarios_go_there_and_back(name: str, tmp_path: Path) -> None:
    assert there_and_back(load(name), tmp_path) == load(name)


@pytest.mark.parametrize("seed", range(40))
def test_a_swarm_goes_there_and_back(seed: int, tmp_path: Path) -> None:
    assert there_and_back(swarm(seed), tmp_path) == swarm(seed)


def test_a_file_says_only_what_is_special() -> None:
    made = replace(scenario(), about='it says "no" \\ twice')
    assert set(tomllib.loads(as_toml(made))) == {"about", "nodes", "seconds", "workload", "checks"}
    assert tomllib.loads(as_toml(made))["about"] == made.about
