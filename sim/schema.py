"""The JSON schema of a scenario, and its fields as a page for people, both made from the Structs themselves.

Invariant: what is published here is what `read_scenario` takes, with every field, its unit, bounds and default.
"""

import json
import re
from collections.abc import Iterator

import msgspec

from sim.library import load, packaged
from sim.scenario import Scenario

ABOUT = """\
# Scenarios: every field

A scenario is one TOML file. `mesh-sim list` names those that come with the simulator; `mesh-sim run NAME --seed 1` runs one of
them or a file of yours; `--set network.loss=0.05` changes a value. With a seed it is one run, the same in every process.
`swarm:7` instead of a name is the random scenario of the seed 7. Times are virtual seconds, data bytes, probabilities shares of 1.

This page and [scenario.schema.json](scenario.schema.json) are made from the code by `mesh-sim schema --markdown` and
`mesh-sim schema`. An editor that knows JSON schemas completes and checks scenarios that begin with
`#:schema docs/scenario.schema.json`. Files that a scenario names lie beside it; `packaged:NAME` is one that comes with the
simulator. Those of `churn-trace`, `rtt-triples` and `rtt-matrix` show what such files look like.
"""
TOP = "Scenario"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, object]


def scenario_schema() -> Schema:
    """The JSON schema (draft 2020-12) of a scenario."""
    [whole], parts = msgspec.json.schema_components([Scenario], ref_template="#/$defs/{name}")
    return {"$schema": DIALECT, "title": "Scenario of mesh-sim", **whole, "$defs": dict(sorted(parts.items()))}


def as_text(schema: Schema) -> str:
    """A schema as JSON, a line per entry, with a line break at the end."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def as_markdown(schema: Schema) -> str:
    """A page with the packaged scenarios, and a table of fields per part of one, in the order in which one comes to them."""
    parts = schema["$defs"]
    assert isinstance(parts, dict)
    return ABOUT + _listed() + "".join(_part(name, parts[name]) for name in _reached(parts, TOP))


def _listed() -> str:
    """The packaged scenarios, a line each."""
    rows = [f"| `{one.name}` | {one.nodes} | {one.seconds:g} | {one.about} |\n" for one in map(load, packaged())]
    return "".join(["\n| packaged | nodes | seconds | what happens |\n| --- | --- | --- | --- |\n", *rows])


def _reached(parts: dict[str, Schema], name: str) -> list[str]:
    """The parts that `name` leads to, itself first, each once."""
    order, todo = [], [name]
    while todo:
        name = todo.pop(0)
        if name not in order:
            order.append(name)
            todo += re.findall(r"#/\$defs/(\w+)", json.dumps(parts[name].get("properties", {})))
    return order


def _part(name: str, part: Schema) -> str:
    fields = part.get("properties", {})
    assert isinstance(fields, dict)
    tag = [f"`{key} = {json.dumps(field['enum'][0])}`" for key, field in fields.items() if _is_tag(field)]
    about = " ".join(str(part.get("description", "")).split())
    lines = [f"\n## {name}\n\n{f'{tag[0]}. ' if tag else ''}{about}\n"]
    rows = [_row(key, field, part) for key, field in fields.items() if not _is_tag(field)]
    if rows:
        lines.append("\n| field | type | unit | default | meaning |\n| --- | --- | --- | --- | --- |\n")
    return "".join([*lines, *rows])


def _is_tag(field: Schema) -> bool:
    """Whether a field tells kinds apart: it has one value and no type or default of its own."""
    values = field.get("enum")
    return isinstance(values, list) and len(values) == 1 and "default" not in field


def _row(key: str, field: Schema, part: Schema) -> str:
    required = part.get("required", [])
    assert isinstance(required, list)
    default = field.get("default")
    said = "needed" if key in required else "" if isinstance(default, dict) else f"`{json.dumps(default)}`"
    unit = next(_find(field, "unit"), "")
    meaning = str(field.get("description", "")).replace("|", "\\|")
    return f"| `{key}` | {_type(field)} | {unit} | {said} | {meaning} |\n"


def _find(place: object, key: str) -> Iterator[str]:
    if isinstance(place, dict):
        if isinstance(place.get(key), str):
            yield place[key]
        for value in place.values():
            yield from _find(value, key)
    elif isinstance(place, list):
        for value in place:
            yield from _find(value, key)


def _type(field: Schema) -> str:
    """A field's type in a few words, with its bounds."""
    names = re.findall(r"#/\$defs/(\w+)", json.dumps(field))
    if names:
        several = "list of " if field.get("type") == "array" else ""
        return several + ", ".join(f"[{name}](#{name.lower()})" for name in dict.fromkeys(names))
    values = field.get("enum")
    if isinstance(values, list):
        return ", ".join(f"`{value}`" for value in values)
    bounds = [f"{sign} {next(_numbers(field, key))}" for key, sign in BOUNDS.items() if any(_numbers(field, key))]
    kind = field.get("type") or "/".join(str(one.get("type")) for one in _choices(field))
    return " ".join([str(kind), *bounds])


BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def _choices(field: Schema) -> list[Schema]:
    choices = field.get("anyOf", [])
    assert isinstance(choices, list)
    return choices


def _numbers(field: Schema, key: str) -> Iterator[str]:
    for place in (field, *_choices(field)):
        if key in place:
            yield f"{place[key]:g}"
