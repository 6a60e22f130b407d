"""Answers as this client reads them: what a later peer adds is passed over.

Invariant: these are values of their own; the server's shapes may grow without breaking a client.
"""

from msgspec import Struct

Value = dict[str, object]


class Changed(Struct, frozen=True):
    """Who changed a record last, and when (seconds since 1970)."""

    author: str
    at: float
    dot: str = ""


class ConflictValue(Struct, frozen=True):
    """One of the concurrent values of a field."""

    value: object
    author: str
    at: float
    dot: str = ""
    cleared: bool = False
    shown: bool = False


class Conflict(Struct, frozen=True):
    """A field that was changed in different ways at the same time."""

    field: str
    values: list[ConflictValue]


class Record(Struct, frozen=True):
    """One record. `token` is empty for records of a page, whose token stands in the page."""

    collection: str
    key: str
    value: Value
    conflicts: list[Conflict]
    changed: Changed
    token: str = ""
    buried: bool = False


class Page(Struct, frozen=True):
    """Some records in order of their keys; `next` continues, None is the end."""

    items: list[Record]
    next: str | None
    token: str


class Row(Struct, frozen=True):
    """One topic of one owner's board, with what is enabled, healthy and reachable."""

    topic: str
    owner: str
    reachable: bool
    standing: str
    at: float
    age_s: float
    value: object
    owner_node: str = ""
    enabled: bool | None = None
    desired: str | None = None
    healthy: bool | None = None


class Event(Struct, frozen=True):
    """One event of a watch. `type` is RESET, SNAPSHOT, SYNC, CREATE, UPDATE, REMOVE, BOOKMARK or CLOSED."""

    watch: int
    type: str
    key: str = ""
    value: object = None
    owner: str = ""
    changed: list[str] = []
    author: str = ""
    reason: str = ""
    dots: list[str] = []
    token: str = ""
