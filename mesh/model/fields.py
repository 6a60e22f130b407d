"""How a record, which is a JSON object, is cut into fields: the unit in which writers replace each other's values.

A top-level value that is a non-empty object is cut into one field per key (`labels.zone`, `attributes.position`); such a
field's value, and every other top-level value, is a leaf and is replaced as a whole. So two people who change two
attributes of a unit do not meet, and those who change one attribute do.

Invariant: `unflatten(flatten(record)) == record`, and `unflatten` knows an answer for whatever fields concurrent writers left.
"""

import msgspec

SEPARATOR = "."
ESCAPE = "\\"


def join(name: str, key: str | None = None) -> str:
    """The path of a field. A '.' or backslash inside of a segment is escaped with a backslash."""
    return _escaped(name) if key is None else f"{_escaped(name)}{SEPARATOR}{_escaped(key)}"


def split(path: str) -> tuple[str, str | None]:
    """The segments of a path. Total: what `join` would not have written is read as literally as possible."""
    if ESCAPE not in path:
        name, separated, key = path.partition(SEPARATOR)
        return name, key if separated else None
    return _split_escaped(path)


def _split_escaped(path: str) -> tuple[str, str | None]:
    name, key = "", None
    characters = iter(path)
    for character in characters:
        if character == SEPARATOR and key is None:
            key = ""
            continue
        text = next(characters, ESCAPE) if character == ESCAPE else character
        name, key = (name + text, None) if key is None else (name, key + text)
    return name, key


def _escaped(segment: str) -> str:
    return segment.replace(ESCAPE, ESCAPE * 2).replace(SEPARATOR, ESCAPE + SEPARATOR)


def flatten(record: dict[str, object]) -> dict[str, object]:
    """The fields of a record. An empty object is a leaf."""
    fields: dict[str, object] = {}
    for name, value in record.items():
        if isinstance(value, dict) and value:
            fields |= {join(name, key): item for key, item in value.items()}
        else:
            fields[join(name)] = value
    return fields


def unflatten(fields: dict[str, object]) -> dict[str, object]:
    """The record that the fields show.

    Where concurrent writers left both a leaf `labels` and a field `labels.zone`, the map wins and the leaf is not shown:
    the map's fields may have many authors, the leaf has one. Of two paths with one meaning (`a.b.c` and `a.b\\.c`) the
    properly escaped one wins.
    """
    record: dict[str, object] = {}
    maps: dict[str, dict[str, object]] = {}
    for path in sorted(fields, key=lambda path: (_is_proper(path), path)):
        name, key = split(path)
        if key is None:
            record[name] = fields[path]
        else:
            maps.setdefault(name, {})[key] = fields[path]
    return record | maps


def _is_proper(path: str) -> bool:
    """Whether `join` would have written it."""
    return path.count(SEPARATOR) <= 1 if ESCAPE not in path else path == join(*split(path))


def merge_patch(current: dict[str, object], patch: dict[str, object]) -> dict[str, object | None]:
    """What a JSON merge patch (RFC 7396) changes in the record `current`: field -> new value, or None to clear it.

    Only fields whose value differs are named. A null for a whole map clears each of its fields.
    """
    before = flatten(current)
    after = flatten(_merge(current, patch))
    cleared: dict[str, object | None] = {path: None for path in before if path not in after}
    return cleared | {path: value for path, value in after.items() if path not in before or differ(before[path], value)}


def differ(left: object, right: object) -> bool:
    """Whether two JSON values differ. Unlike `!=` it tells 1 from true and from 1.0, as JSON does."""
    return _canonical(left) != _canonical(right)


def _canonical(value: object) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


def _merge(target: object, patch: dict[str, object]) -> dict[str, object]:
    merged: dict[str, object] = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value) if isinstance(value, dict) else value
    return merged
