"""What every importer hands back: records, and what was irregular in the file.

Invariant: an irregularity says where, what came, and what was done about it; a record in an `Import` passes `validate`.
"""

import json

from msgspec import Struct

from mesh.ids import RecordId
from mesh.model.fields import differ

CAME_CHARACTERS_MAX = 80  # Enough to recognize a value, short enough for one line.


class Irregularity(Struct, frozen=True):
    """Something in the file that is not as it should be. `where` is a JSON path such as `us[0].cu_desc[3].cu_type`."""

    where: str
    came: str
    done: str

    def __str__(self) -> str:
        return f"{self.where}: {self.came} - {self.done}"


class Import(Struct, frozen=True):
    """The records that a file asks for, in a stable order, and its irregularities, server by server and unit by unit."""

    records: dict[RecordId, dict[str, object]]
    irregularities: list[Irregularity]


class Notes:
    """Collects irregularities."""

    def __init__(self) -> None:
        self.taken: list[Irregularity] = []

    def note(self, where: str, came: object, done: str) -> None:
        """Remember an irregularity; `came` is the value in question."""
        self.taken.append(Irregularity(where, told(came), done))


def told(value: object) -> str:
    """A value as JSON, cut to a length that fits a line."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= CAME_CHARACTERS_MAX else text[: CAME_CHARACTERS_MAX - 1] + "…"


def differing(left: object, right: object, path: str = "") -> list[str]:
    """The paths at which two JSON values differ, such as `drivers[0].init_parameter`."""
    if isinstance(left, dict) and isinstance(right, dict):
        keys = [*left, *(key for key in right if key not in left)]
        steps = [(f"{path}.{key}" if path else str(key), left.get(key), right.get(key)) for key in keys]
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        steps = [(f"{path}[{place}]", *pair) for place, pair in enumerate(zip(left, right, strict=True))]
    else:
        return [path] if differ(left, right) else []
    return [found for step, one, other in steps for found in differing(one, other, step)]
