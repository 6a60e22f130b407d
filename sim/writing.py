"""Scenarios as files: the TOML that `load` reads back as the same value.

Invariant: what equals its default is left out, so that a file shows what is special about a scenario; its name is the file's.
"""

import json
from collections.abc import Iterator

import msgspec
from msgspec import NODEFAULT, Struct

from sim.scenario import Scenario


def as_toml(scenario: Scenario) -> str:
    """A scenario as the text of a TOML file."""
    told = {name: value for name, value in _told(scenario).items() if name != "name"}
    lines = [f"{name} = {_inline(value)}" for name, value in told.items() if not isinstance(value, dict | list)]
    for name, value in told.items():
        if isinstance(value, dict):
            lines += ["", f"[{name}]", *_pairs(value)]
    for fault in scenario.faults:
        lines += ["", "[[faults]]", *_pairs(_told(fault))]
    return "\n".join(lines) + "\n"


def _told(value: Struct) -> dict[str, object]:
    """The tag and the fields of a Struct that differ from their defaults."""
    config = value.__struct_config__
    found: dict[str, object] = {config.tag_field: config.tag} if config.tag_field is not None else {}
    for field in msgspec.structs.fields(value):
        held = getattr(value, field.name)
        default = field.default if field.default is not NODEFAULT else NODEFAULT
        if field.default_factory is not NODEFAULT:
            default = field.default_factory()
        if held is not None and (default is NODEFAULT or held != default):
            found[field.name] = _plain(held)
    return found


def _plain(value: object) -> object:
    if isinstance(value, Struct):
        return _told(value)
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value


def _pairs(table: dict[str, object]) -> Iterator[str]:
    return (f"{name} = {_inline(value)}" for name, value in table.items())


def _inline(value: object) -> str:
    """A value on one line. JSON's strings and booleans are TOML's too."""
    if isinstance(value, dict):
        return "{ " + ", ".join(_pairs(value)) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
