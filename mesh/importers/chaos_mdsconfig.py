"""The !CHAOS configuration file of generation A, "MDSConfig" (2014-2019): `{"us": [{"unit_server_alias", "cu_desc": [CU]}]}`.

A file with a single unit server or a single control unit is read too. One template and one dataset come out per C++ class.

Where an id comes twice with different contents, the first occurrence keeps it. !CHAOS itself would let the last one win,
because each overwrites the document of the one before. Here the first one wins, so that a block pasted at the end of a
file can never silently change a device described before; the report names the differing fields, and a person decides.

Invariant: the same bytes give the same import; every record passes `validate`; run-time fields and keys never come out.
"""

import json

import msgspec

from mesh.errors import UsageError
from mesh.ids import RecordId
from mesh.importers.chaos_unit import Raw, class_of, objects, unit_of
from mesh.importers.imported import Import, Notes, differing
from mesh.model.naming import check_key
from mesh.model.quantity import AttributeType, infer_type, wider

SERVER_KEYS = ("unit_server_alias", "cu_desc")
KEY_PAIR = ("private_key", "public_key")
LATER_GENERATION = ("ndk_uid", "us_desc", "agents", "eu", "snapshots", "variables")


def read(data: bytes) -> Import:
    """Read a file. Raises UsageError, naming line and column, for what is no JSON, and for JSON that is no such file."""
    return _Reading().read(_servers(_parsed(data)))


class _Reading:
    """One pass over a file: what has been found so far."""

    def __init__(self) -> None:
        self._notes = Notes()
        self._servers: dict[str, str] = {}  # Alias -> where it came first.
        self._units: dict[str, Raw] = {}
        self._places: dict[str, str] = {}  # Unit -> where it came first.
        self._classes: dict[str, str] = {}  # Template key -> C++ class.
        self._datasets: dict[str, dict[str, AttributeType | None]] = {}

    def read(self, servers: list[tuple[str, object]]) -> Import:
        for where, server in servers:
            if isinstance(server, dict):
                self._read_server(server, where)
            else:
                self._notes.note(where, server, "not an object: left out")
        return Import(self._records(), self._notes.taken)

    def _read_server(self, server: Raw, where: str) -> None:
        alias = self._server_alias(server, where)
        for name in server:
            if name in KEY_PAIR and server[name] is not None:
                self._notes.note(f"{where}.{name}", "(not shown)", "a key, never configuration: left out")
            elif name not in (*SERVER_KEYS, *KEY_PAIR):
                self._notes.note(f"{where}.{name}", server[name], "an unknown field: left out")
        for path, unit in objects(server.get("cu_desc"), f"{where}.cu_desc", self._notes):
            self._read_unit(unit, path, alias)

    def _server_alias(self, server: Raw, where: str) -> str | None:
        came = server.get("unit_server_alias")
        alias = _key("server", came)
        if alias is None:
            self._notes.note(f"{where}.unit_server_alias", came, "no name: its units keep the server that they name")
        elif alias in self._servers:
            self._notes.note(f"{where}.unit_server_alias", came, f"the server of {self._servers[alias]} again: joined")
        else:
            self._servers[alias] = where
        return alias

    def _read_unit(self, raw: Raw, where: str, alias: str | None) -> None:
        key = _key("unit", raw.get("cu_id"))
        if key is None:
            self._notes.note(f"{where}.cu_id", raw.get("cu_id"), "not a name: the unit was left out")
            return
        if key != raw["cu_id"]:
            self._notes.note(f"{where}.cu_id", raw["cu_id"], f"read as {key!r}")
        record = unit_of(raw, key, where, self._notes)
        named = class_of(raw, where, self._notes)
        if named is not None:
            record["template"] = named[1]
        if (server := self._server_of(raw, where, alias)) is not None:
            record["server"] = server
        if key in self._units:
            self._note_duplicate(key, record, where)
            return
        self._units[key], self._places[key] = record, where
        if named is not None:
            self._note_class(*named, where)
            self._widen(named[1], record)

    def _server_of(self, raw: Raw, where: str, alias: str | None) -> str | None:
        """The containing server: it is the one that !CHAOS loads the unit into, whatever the unit says itself."""
        inner = raw.get("unit_server_alias")
        if alias is None:
            own = _key("server", inner)
            if own is not None:
                self._servers.setdefault(own, where)
            return own
        if inner is not None and inner != alias:
            self._notes.note(f"{where}.unit_server_alias", inner, f"the unit stands in server {alias}: that was taken")
        return alias

    def _note_duplicate(self, key: str, record: Raw, where: str) -> None:
        first = self._places[key]
        paths = differing(self._units[key], record)
        if paths:
            done = f"also at {first}, which was kept; this one, left out, differs in {', '.join(paths)}"
        else:
            done = f"also at {first}, identical: one was kept"
        self._notes.note(f"{where}.cu_id", key, done)

    def _note_class(self, name: str, key: str, where: str) -> None:
        held = self._classes.setdefault(key, name)
        if held != name:
            self._notes.note(f"{where}.cu_type", name, f"taken for the class {held}, which has the same template {key}")

    def _widen(self, key: str, record: Raw) -> None:
        types = self._datasets.setdefault(key, {})
        attributes = record.get("attributes")
        for name, attribute in (attributes if isinstance(attributes, dict) else {}).items():
            guess = infer_type(attribute.get("default"), attribute.get("min"), attribute.get("max"))
            types[name] = wider(types.get(name), guess)

    def _records(self) -> dict[RecordId, Raw]:
        """Everything that a unit names comes before it. A description makes sure that no record is without any field."""
        records: dict[RecordId, Raw] = {}
        for alias in self._servers:
            records[RecordId("server", alias)] = {"description": f"Unit server {alias}"}
        for key, types in self._datasets.items():
            records[RecordId("dataset", key)] = _dataset(self._classes[key], types)
        for key, name in self._classes.items():
            records[RecordId("template", key)] = {"implementation": name, "dataset": key}
        for key, record in self._units.items():
            records[RecordId("unit", key)] = record
        return records


def _dataset(name: str, types: dict[str, AttributeType | None]) -> Raw:
    """Attributes configured in generation A are inputs; their types are guesses from the defaults and limits of all units."""
    record: Raw = {"description": f"Attributes of {name}"}
    if types:
        record["attributes"] = {
            attribute: {"direction": "input"} | ({} if kind is None else {"type": kind.value})
            for attribute, kind in types.items()
        }
    return record


def _key(collection: str, value: object) -> str | None:
    """A usable key, without the white space around it; None where there is none."""
    if not isinstance(value, str):
        return None
    try:
        check_key(collection, value.strip())
    except UsageError:
        return None
    return value.strip()


def _servers(document: object) -> list[tuple[str, object]]:
    """The unit servers of a document and their paths, in whichever of the three shapes it has."""
    if isinstance(document, dict):
        if isinstance(servers := document.get("us"), list) and not _is_later(document):
            return [(f"us[{place}]", server) for place, server in enumerate(servers)]
        if "unit_server_alias" in document and "cu_desc" in document:
            return [("$", document)]
        if "cu_id" in document:
            return [("$", {"unit_server_alias": document.get("unit_server_alias"), "cu_desc": [document]})]
    todo = "export it with the MDS command line tool, or write it as examples/beamline.json is written"
    if isinstance(document, dict) and (found := [name for name in LATER_GENERATION if name in document]):
        todo = f"it has {found[0]!r} and looks like a newer export; use the importer for unit-server or dashboard files"
    raise UsageError(
        'this is not an MDSConfig file: expected an object with a list "us" of unit servers',
        field="us",
        rule='{"us": [{"unit_server_alias": …, "cu_desc": […]}]}',
        todo=todo,
    )


def _is_later(document: Raw) -> bool:
    return any(name in document for name in LATER_GENERATION)


def _parsed(data: bytes) -> object:
    try:
        document = json.loads(data.decode("utf-8-sig"), parse_constant=_no_constant)
        msgspec.json.encode(document)  # Half a surrogate pair can be read, but never written again.
    except json.JSONDecodeError as error:
        raise _not_json(error, data) from None
    except UnicodeError as error:
        raise UsageError(
            f"the file is not UTF-8 text: {error}", rule="JSON in UTF-8", todo="convert the file to UTF-8"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the file cannot be read: {error}", rule="JSON in UTF-8", todo="correct the file") from None
    return document


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _not_json(error: json.JSONDecodeError, data: bytes) -> UsageError:
    where = f"line {error.lineno}, column {error.colno}"
    truncated = not error.doc[error.pos :].strip() or error.msg.startswith("Unterminated string")
    fault = "the file ends too early" if truncated else error.msg
    return UsageError(
        f"the file is not JSON: {fault} at {where}, of {len(data)} bytes",
        field=where,
        rule="one complete JSON document",
        todo="copy or export it again: its end is missing" if truncated else f"correct {where}",
    )
