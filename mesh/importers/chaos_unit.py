"""One control unit of a generation-A file (`cu_desc[]`), read into a unit record.

Invariant: what comes out has the shape of a unit whatever comes in; whatever was left out or mended is noted.
"""

import json
from collections.abc import Iterator, Mapping

from mesh.errors import UsageError
from mesh.importers.imported import Notes
from mesh.model.collections import reversed_limits
from mesh.model.fields import join
from mesh.model.naming import check_field, check_key, parse
from mesh.model.quantity import number
from mesh.model.unit import Desired

Raw = dict[str, object]

INTEGER_MAX = 2**63 - 1  # What every codec on the way can carry.
FLAGS = ("auto_load", "auto_init", "auto_start")
NUMBERS = {
    "storage_type": "storage_type",
    "storage_ageing": "storage_ageing_s",
    "default_schedule_delay": "schedule_delay_us",
}
LIMITS = {"ds_default_value": "default", "ds_min_range": "min", "ds_max_range": "max"}
KNOWN = {*FLAGS, *NUMBERS, "cu_id", "cu_type", "cu_param", "unit_server_alias", "DriverDescription", "AttrDesc"}
RUN_TIME = {"_id", "seq", "health_stat", "ndk_heartbeat", "ndk_build_info", "ndk_rpc_addr", "ndk_rpc_dom"}
RUN_TIME |= {"ndk_host_name", "ndk_ip_addr", "ndk_rest_port", "cudk_run_id", "nh_status"}


def unit_of(raw: Raw, key: str, where: str, notes: Notes) -> Raw:
    """The record of the unit `key`, without template and server. Missing keys stay missing: no default is written down."""
    flags = {name: value for name in FLAGS if (value := _flag(raw, name, where, notes)) is not None}
    record: Raw = {"desired": _desired(flags), **flags, **_numbers(raw, where, notes)}
    if parameters := _parameters(raw.get("cu_param"), f"{where}.cu_param", notes):
        record["load_parameters"] = parameters
    if drivers := _drivers(raw, where, notes):
        record["drivers"] = drivers
    if attributes := _attributes(raw, where, notes):
        record["attributes"] = attributes
    if labels := _labels(key):
        record["labels"] = labels
    _note_unknown(raw, KNOWN, where, notes)
    return record


def class_of(raw: Raw, where: str, notes: Notes) -> tuple[str, str] | None:
    """The C++ class of the unit and the key of its template: `::driver::X` has `driver/X`. None where there is no class."""
    came = raw.get("cu_type")
    name = came.strip() if isinstance(came, str) else ""
    key = "/".join(part for part in name.replace("::", "/").split("/") if part)
    try:
        check_key("template", key)
    except UsageError:
        notes.note(f"{where}.cu_type", came, "no class: the unit was kept without a template")
        return None
    return name, key


def objects(value: object, where: str, notes: Notes) -> Iterator[tuple[str, Raw]]:
    """The objects in a list, each with its path. What is no list, or no object in it, is noted and left out."""
    if value is not None and not isinstance(value, list):
        notes.note(where, value, "not a list: left out")
        return
    for place, item in enumerate(value or []):
        if isinstance(item, dict):
            yield f"{where}[{place}]", item
        else:
            notes.note(f"{where}[{place}]", item, "not an object: left out")


def _desired(flags: Mapping[str, object]) -> str:
    """What the unit server would do at start-up: nothing happens to a unit that is not loaded, and a missing flag is true."""
    load, init, start = (flags.get(name, True) for name in FLAGS)
    if load and init:
        return Desired.START.value if start else Desired.INIT.value
    return Desired.DEINIT.value


def _flag(raw: Raw, name: str, where: str, notes: Notes) -> bool | None:
    value = raw.get(name)
    if value is None or isinstance(value, bool):
        return value
    meaning = {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().lower())
    notes.note(f"{where}.{name}", value, "left out" if meaning is None else f"read as {str(meaning).lower()}")
    return meaning


def _numbers(raw: Raw, where: str, notes: Notes) -> Raw:
    found: Raw = {}
    for theirs, ours in NUMBERS.items():
        value = raw.get(theirs)
        meaning = number(value)
        if value is None:
            continue
        if meaning is None or meaning != int(meaning) or not 0 <= meaning <= INTEGER_MAX:
            notes.note(f"{where}.{theirs}", value, "not a natural number: left out")
            continue
        if not isinstance(value, int):
            notes.note(f"{where}.{theirs}", value, f"read as {int(meaning)}")
        found[ours] = int(meaning)
    return found


def _parameters(value: object, where: str, notes: Notes) -> str:
    """Load parameters are a text, which often holds JSON; JSON that stands there bare becomes such a text."""
    if value is None or isinstance(value, str):
        return value or ""
    text = json.dumps(value, ensure_ascii=False)
    notes.note(where, value, "not a string: kept as JSON in a string")
    return text


def _drivers(raw: Raw, where: str, notes: Notes) -> list[Raw]:
    drivers: list[Raw] = []
    for path, entry in objects(raw.get("DriverDescription"), f"{where}.DriverDescription", notes):
        driver: Raw = {}
        for theirs, ours in (("DriverDescriptionName", "name"), ("DriverDescriptionVersion", "version")):
            if text := _text(entry.get(theirs), f"{path}.{theirs}", notes):
                driver[ours] = text
        for theirs, ours in (("DriverDescriptionInitParam", "init_parameter"), ("DriverDescriptionProp", "properties")):
            if entry.get(theirs) not in (None, "", [], {}):
                driver[ours] = entry[theirs]
        if "name" not in driver:
            notes.note(path, entry, "a driver without a name: kept as it is")
        drivers.append(driver)
    return drivers


def _attributes(raw: Raw, where: str, notes: Notes) -> dict[str, Raw]:
    attributes: dict[str, Raw] = {}
    for path, entry in objects(raw.get("AttrDesc"), f"{where}.AttrDesc", notes):
        name = entry.get("ds_attr_name")
        if not isinstance(name, str) or not _is_field(name):
            notes.note(f"{path}.ds_attr_name", name, "not a name: the attribute was left out")
            continue
        attribute = _attribute(entry, path, notes)
        if name not in attributes:
            attributes[name] = attribute
        elif attributes[name] == attribute:
            notes.note(path, name, "the attribute comes twice, identical: one was kept")
        else:
            notes.note(path, entry, f"the attribute comes twice: {attributes[name]} was kept, this one left out")
    return attributes


def _attribute(entry: Raw, path: str, notes: Notes) -> Raw:
    """Default and limits stay the strings that they are, hexadecimal ones too; empty ones are left out."""
    read = {ours: _text(entry.get(theirs), f"{path}.{theirs}", notes) for theirs, ours in LIMITS.items()}
    attribute: Raw = {name: text for name, text in read.items() if text}
    if reversed_limits(attribute, "min", "max"):
        came = {name: attribute.pop(name) for name in ("min", "max")}
        notes.note(path, came, "the minimum is above the maximum: both were left out")
    _note_unknown(entry, {*LIMITS, "ds_attr_name"}, path, notes)
    return attribute


def _text(value: object, where: str, notes: Notes) -> str:
    """A string field; numbers and truth values are turned into the string that should have come."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        text = str(value).lower()
        notes.note(where, value, f"not a string: read as {text!r}")
        return text
    notes.note(where, value, "not a string: left out")
    return ""


def _labels(key: str) -> Raw:
    name = parse(key)
    return {label: text for label, text in (("zone", name.zone), ("group", name.group)) if text}


def _is_field(name: str) -> bool:
    try:
        check_field(join("attributes", name))
    except UsageError:
        return False
    return bool(name)


def _note_unknown(raw: Raw, known: set[str], where: str, notes: Notes) -> None:
    for name, value in raw.items():
        if name in RUN_TIME:
            notes.note(f"{where}.{name}", value, "a run-time field, never configuration: left out")
        elif name not in known:
            notes.note(f"{where}.{name}", value, "an unknown field: left out")
