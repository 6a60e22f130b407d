"""Where scenarios come from: the packaged ones, files, and changes made on the command line.

Invariant: a scenario goes by the name of its file, wherever that lies.
"""

import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from mesh.errors import UsageError
from sim.packaged import packaged_folder, packaged_name
from sim.scenario import Scenario, read_scenario
from sim.swarm import swarm

SWARM = "swarm:"


def packaged() -> list[str]:
    """The names of the packaged scenarios."""
    found = [entry.name for entry in packaged_folder().iterdir()]
    return sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml"))


def load(name: str, changes: tuple[str, ...] = ()) -> Scenario:
    """The scenario of that name or path, with `changes` (`network.loss=0.05`) made to it. Raises UsageError.

    `swarm:7` is the random scenario of the seed 7. Files that a scenario names are looked for beside it.
    """
    raw = _swarm(name) if name.startswith(SWARM) else _parse(_read(name), name)
    _resolve_files(raw, partial(_beside, Path(name).parent) if Path(name).is_file() else packaged_name)
    for change in changes:
        _change(raw, change)
    raw["name"] = Path(name).name.removesuffix(".toml")
    return read_scenario(raw, name)


def _swarm(name: str) -> dict[str, object]:
    number = name.removeprefix(SWARM)
    if not number.isdecimal():
        raise UsageError(f"{name}: a number was expected after `{SWARM}`", field="scenario", todo="for example swarm:7")
    raw: dict[str, object] = msgspec.to_builtins(swarm(int(number)))
    return raw


def _resolve_files(place: object, found: Callable[[str], str | None]) -> None:
    """Make every `file` that is there beside the scenario a name that holds from here."""
    if isinstance(place, dict):
        named = place.get("file")
        if isinstance(named, str):
            place["file"] = found(named) or named
        for value in place.values():
            _resolve_files(value, found)
    elif isinstance(place, list):
        for value in place:
            _resolve_files(value, found)


def _beside(folder: Path, named: str) -> str | None:
    return str(folder / named) if (folder / named).is_file() else None


def _read(name: str) -> str:
    """The text of a scenario. A file comes before a packaged scenario of the same name."""
    path = Path(name)
    try:
        if path.is_file():
            return path.read_text("utf-8")
        if path.name.removesuffix(".toml") in packaged():
            shelved = packaged_folder() / f"{path.name.removesuffix('.toml')}.toml"
            return shelved.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{name}: can't read it: {error}", field="scenario", todo="check the path") from None
    raise UsageError(
        f"{name}: there is no such file, and no packaged scenario of that name",
        field="scenario",
        todo=f"give a path, or one of {', '.join(packaged())}",
    )


def _parse(text: str, source: str) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{source}: TOML was expected: {error}", field="scenario") from None


def _change(raw: dict[str, object], change: str) -> None:
    """Set one value by its path: `faults.0.at_s=20`."""
    path, equals, text = change.partition("=")
    *outer, last = path.strip().split(".")
    if not equals or not last:
        raise UsageError(f"--set {change}: KEY=VALUE was expected", field="set", todo="for example network.loss=0.05")
    place: object = raw
    for step in outer:
        place = _step(place, step, change)
    if isinstance(place, dict):
        place[last] = _value(text.strip())
    elif isinstance(place, list) and last.isdecimal() and int(last) < len(place):
        place[int(last)] = _value(text.strip())
    else:
        raise _nowhere(change)


def _step(place: object, step: str, change: str) -> object:
    if isinstance(place, dict):
        return place.setdefault(step, {})
    if isinstance(place, list) and step.isdecimal() and int(step) < len(place):
        return place[int(step)]
    raise _nowhere(change)


def _nowhere(change: str) -> UsageError:
    return UsageError(f"--set {change}: the scenario has no such place", field="set", todo="see the scenario's file")


def _value(text: str) -> object:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # A word without quotes is meant as a word.
