"""What things may be called: collections, keys, fields, and the parts of a !CHAOS name.

Invariant: a name that passes here fits every key of the replica and can be shown on one line.
"""

import re
import unicodedata

from msgspec import Struct

from mesh.errors import UsageError

KEY_BYTES_MAX = 200  # Longer than any id in the field (60 bytes), and it fits an LMDB key with its field beside it.
FIELD_BYTES_MAX = 200  # The same, for the path of a field.
COLLECTION_PATTERN = re.compile(r"[a-z][a-z0-9_-]{0,31}")


class Name(Struct, frozen=True):
    """A control unit's name, `ZONE[/SUBZONE…]/GROUP/ID`. `zone` is empty in `GROUP/ID`, and `group` too in `ID`."""

    zone: str
    group: str
    id: str

    def __str__(self) -> str:
        return "/".join(part for part in (self.zone, self.group, self.id) if part)


def parse(key: str) -> Name:
    """Split a name as !CHAOS does: the last segment is the id, the one before it the group, all before that the zone."""
    rest, _, last = key.rpartition("/")
    zone, _, group = rest.rpartition("/")
    return Name(zone, group, last)


def check_collection(collection: str) -> None:
    """Raise UsageError unless `collection` may name a collection."""
    if not COLLECTION_PATTERN.fullmatch(collection):
        raise UsageError(
            f"{collection!r} cannot name a collection",
            field="collection",
            rule="a lower-case letter, then up to 31 of a-z, 0-9, '_' and '-'",
            todo="choose a name such as 'unit' or 'beam-mode'",
        )


def check_key(collection: str, key: str) -> None:
    """Raise UsageError unless `key` may name a record of `collection`. The characters of segments are free."""
    check_collection(collection)
    _check_text(key, "key", KEY_BYTES_MAX)
    if "" in key.split("/"):
        raise UsageError(
            f"{collection} {key!r} has an empty segment",
            field="key",
            rule="segments are separated by single slashes, with none at either end",
            todo="write it as ZONE/GROUP/ID",
        )


def check_field(path: str) -> None:
    """Raise UsageError unless `path` may name a field."""
    _check_text(path, "field", FIELD_BYTES_MAX)


def _check_text(text: str, what: str, bytes_max: int) -> None:
    plain = text.isascii() and text.isprintable()  # Then no character is a control character.
    if not plain and any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise UsageError(
            f"the {what} {text!r} holds a control character",
            field=what,
            rule="printable Unicode text",
            todo="remove the character",
        )
    size = len(text.encode())
    if not 1 <= size <= bytes_max:
        raise UsageError(
            f"the {what} {text[:40]!r} has {size} bytes",
            field=what,
            rule=f"1 to {bytes_max} bytes of UTF-8",
            todo=f"choose a {'shorter' if size else 'non-empty'} {what}",
        )
