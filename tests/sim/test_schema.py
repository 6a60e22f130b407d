"""What is published about scenarios is what is read.

Invariant: the files under docs are made by `mesh-sim schema`, and nothing else.
"""

from pathlib import Path

import pytest

from sim.cli import app
from sim.library import load, packaged
from sim.schema import as_markdown, as_text, scenario_schema

DOCS = Path(__file__).parents[2] / "docs"


def test_the_published_schema_is_fresh() -> None:
    said = "mesh-sim schema > docs/scenario.schema.json"
    assert (DOCS / "scenario.schema.json").read_text("utf-8") == as_text(scenario_schema()), said


def test_the_page_of_fields_is_fresh() -> None:
    said = "mesh-sim schema --markdown > docs/scenarios.md"
    assert (DOCS / "scenarios.md").read_text("utf-8") == as_markdown(scenario_schema()), said


def test_every_field_of_the_simulator_is_explained() -> None:
    schema = scenario_schema()
    parts = schema["$defs"]
    assert isinstance(parts, dict)
    for name, part in parts.items():
        for field, said in part["properties"].items():
            explained = "description" in said or len(said.get("enum", "")) == 1 or name in EXPLAINED_AS_A_WHOLE
            assert explained, f"{name}.{field} has no Meta(description=…)"


EXPLAINED_AS_A_WHOLE = {
    "GossipConfig",  # Its reasons stand in mesh/config.py.
    *("Constant", "Uniform", "Exponential", "Normal", "LogNormal", "Pareto", "Weibull", "Site"),
}


@pytest.mark.parametrize("name", packaged())
def test_every_fault_of_a_packaged_scenario_is_in_the_page(name: str) -> None:
    page = as_markdown(scenario_schema())
    for fault in load(name).faults:
        assert f"## {type(fault).__name__}\n" in page


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    app(["schema"], result_action="return_value")
    assert capsys.readouterr().out == as_text(scenario_schema())
    app(["schema", "--markdown"], result_action="return_value")
    assert capsys.readouterr().out == as_markdown(scenario_schema())
