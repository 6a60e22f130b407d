"""The OpenAPI 3.1 document, made from the routes and the Structs.

Invariant: it names every REST route and no other; its schemas are those that decode and encode.
"""

import re
from functools import cache

import msgspec
from msgspec import Struct

from mesh import __version__
from mesh.api.faults import PROBLEM_TYPE, Problem
from mesh.api.methods import METHODS
from mesh.api.rest import ENTRIES, Entry
from mesh.model.collections import schemas

REF = "#/components/schemas/{name}"
JsonObject = dict[str, object]

_ANY = {"type": "object", "additionalProperties": True}
_MOMENT = {"description": "A token, seconds since 1970, or ISO 8601 with an offset.", "type": ["string", "number"]}
_ENDS = ("since", "until")
_BODIES: dict[str, JsonObject] = {
    "Record": _ANY,
    "Patch": _ANY,
    "Revert": {"type": "object", "properties": {"to": _MOMENT}, "required": ["to"]},
    "Undo": {
        "type": "object",
        "description": "Whose writes to take back, from when to when; `preview` changes nothing.",
        "properties": {
            **{name: {"type": "string"} for name in ("whose", "collection", "prefix", "key", "intent")},
            **{
                name: {"description": "Seconds since 1970, or ISO 8601.", "type": ["string", "number"]}
                for name in ("since", "until")
            },
            "preview": {"type": "boolean", "default": False},
            "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 200},
        },
        "required": ["whose", "since"],
    },
    "Ends": {
        "type": "object",
        "description": "Ends as the mesh's admin signed them, in hexadecimal.",
        "properties": {
            "ends": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"content": {"type": "string"}, "signature": {"type": "string"}},
                    "required": ["content", "signature"],
                },
            }
        },
        "required": ["ends"],
    },
    "Retry": {
        "type": "object",
        "description": "The writer, or the beginning of its id; {} for all.",
        "properties": {"writer": {"type": "string"}},
    },
    "Settlement": {
        "type": "object",
        "description": "Either `take`, the dot of a value in conflict, or `value`, any JSON value; null clears.",
        "properties": {
            "field": {"type": "string"},
            "seen": {
                "description": "The dots of the values that were looked at, or the version of the conflict.",
                "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            },
            "take": {"type": "string"},
            "value": {},
        },
        "required": ["field", "seen"],
    },
}
_TYPES: dict[str, JsonObject] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 200},
    "timeout_s": {"type": "number", "minimum": 0, "maximum": 60, "default": 5},
    "buried": {"type": "boolean", "default": False},
    "chain": {"type": "boolean", "default": False},
}
_SAID = {
    "after": "A token from an earlier answer: wait until this peer has everything that it names.",
    "timeout_s": "How long to wait for `after`, in seconds.",
    "prefix": "What keys or topics start with.",
    "after_key": "Continue behind this key: the `next` of the page before.",
    "before": "Only what came before: the `next` of a page of the history.",
    "collection": "Only this collection.",
    "at": "The moment: a token, seconds since 1970, or ISO 8601 with an offset.",
    "a": "The first moment, as in `at` of /v1/past.",
    "b": "The second moment.",
    "field": "The field, such as desired or labels.zone.",
    "chain": "With what the value was made over, and with its writer's batches up to now.",
    "limit": "The most records of a page.",
    "text": "A text in the key or anywhere in the record, whatever its case.",
    "buried": "List the buried records instead.",
    "whose": "A node's name or id, or the beginning of a writer's id.",
    "number": "The last batch that stays valid; 0: none.",
    "branch": "Only this branch of a forked writer: its name, or the hash of its first batch.",
    "member": "Only the paths of this member, by its name.",
    "label.NAME": "A label's value; NAME stands for the label, such as `label.zone=BTF`. May be given for several labels.",
}


_WRITE_HEADERS = {
    "Mesh-Author": "In whose name.",
    "Mesh-Reason": "Why; kept with the change.",
    "Mesh-Intent": "Which larger undertaking this is part of; kept with the change.",
    "Mesh-Position": "Where in that undertaking; kept with the change.",
}
_CONDITIONS = {
    "If-Match": "ETags of earlier answers, or * for any record: where the record is at none of them, the answer is 412.",
    "If-None-Match": "Only *: where there is a record, the answer is 412.",
}


@cache
def document() -> bytes:
    """The document as JSON."""
    answers = list(dict.fromkeys(METHODS[entry.calls].answer for entry in ENTRIES))
    bodies: list[type[Struct]] = [METHODS["records.submit"].params]
    _, components = msgspec.json.schema_components([*answers, *bodies, Problem], schema_hook=_any, ref_template=REF)
    paths: dict[str, JsonObject] = {}
    for entry in ENTRIES:
        paths.setdefault(_path(entry.path), {})[entry.method.lower()] = _operation(entry)
    text = {
        "openapi": "3.1.0",
        "info": {"title": "!CHAOS metadata mesh", "version": __version__, "summary": "The same API at every peer."},
        "paths": paths,
        "components": {"schemas": {**schemas(), **components, **_BODIES}},
    }
    return msgspec.json.encode(text)


def _any(kind: type) -> JsonObject:
    if kind is object:
        return {"description": "any JSON value"}
    raise NotImplementedError


def _path(path: str) -> str:
    return path.replace(":path}", "}")


def _operation(entry: Entry) -> JsonObject:
    called = METHODS[entry.calls]
    operation: JsonObject = {
        "operationId": entry.calls.replace(".", "_"),
        "summary": (called.params.__doc__ or "").split("\n")[0],
        "parameters": _parameters(entry),
        "responses": {
            "200": {
                "description": "Done.",
                "headers": _answer_headers(entry),
                "content": {"application/json": {"schema": {"$ref": REF.format(name=called.answer.__name__)}}},
            },
            "default": {
                "description": "A problem (RFC 9457).",
                "content": {PROBLEM_TYPE: {"schema": {"$ref": REF.format(name="Problem")}}},
            },
        },
    }
    if entry.body:
        content = {"application/json": {"schema": {"$ref": REF.format(name=entry.body)}}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _answer_headers(entry: Entry) -> JsonObject:
    token: JsonObject = {"Mesh-Token": {"schema": {"type": "string"}, "description": "The answer's causal token."}}
    tag: JsonObject = {"ETag": {"schema": {"type": "string"}, "description": "The record's version, a strong tag."}}
    return token | (tag if entry.calls == "records.get" else {})


def _header(name: str, said: str) -> JsonObject:
    return {"name": name, "in": "header", "schema": {"type": "string"}, "description": said}


def _parameters(entry: Entry) -> list[JsonObject]:
    names = re.findall(r"{(\w+)", entry.path)
    found: list[JsonObject] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
    ]
    for name in entry.queries:
        schema = _TYPES.get(name, {"type": "string"})
        found.append({"name": name, "in": "query", "schema": schema, "description": _SAID[name]})
    if entry.method != "GET":
        found += [_header(name, said) for name, said in _WRITE_HEADERS.items()]
    if entry.guarded:
        found += [_header(name, said) for name, said in _CONDITIONS.items()]
    return found
