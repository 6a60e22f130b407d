"""Whose fault it was: the caller's, the peer's, or the machine's.

Invariant: every message says what was expected, what came, where, and what to do next.
"""


class MeshError(Exception):
    """Everything that the mesh raises on purpose. `str(error)` is a sentence for a person."""


class UsageError(MeshError):
    """The caller's fault. Nothing was changed.

    `field` and `rule` name the part of the input and the rule that it broke; `todo` says what to do.
    """

    def __init__(self, message: str, *, field: str = "", rule: str = "", todo: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.rule = rule
        self.todo = todo


class NotFound(UsageError):
    """The caller named something that is not here. Nothing was changed."""


class Refused(UsageError):
    """The request was understood and is not allowed in this state. Nothing was changed."""


class Unmet(Refused):
    """What the caller expected to be there is not there any more. Nothing was changed.

    `details` names the record, the field, what was expected, what is there, and who wrote it.
    """

    def __init__(self, message: str, *, field: str, rule: str, todo: str, details: dict[str, object]) -> None:
        super().__init__(message, field=field, rule=rule, todo=todo)
        self.details = details


class MalformedMessage(MeshError):
    """The peer's fault: bytes that are not what they claim to be. The bytes were dropped."""


class StorageError(MeshError):
    """The machine's fault: a full, read-only, corrupt or foreign disk. What was not acknowledged was not written."""


class DamagedRow(StorageError):
    """A stored row is not the one that was written: a bit flipped on the disk, or the row is gone. It can be mended.

    `table` and `key` name it; `place` says it in words.
    """

    def __init__(self, table: str, key: bytes, found: str = "its check does not fit its bytes") -> None:
        place = f"the row {key.hex()} of table {table}"
        super().__init__(
            f"{place} is damaged: {found}. The node mends it from its log or a peer; try again in a while."
        )
        self.table = table
        self.key = key
