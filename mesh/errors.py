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


class MalformedMessage(MeshError):
    """The peer's fault: bytes that are not what they claim to be. The bytes were dropped."""


class StorageError(MeshError):
    """The machine's fault: a full, read-only, corrupt or foreign disk. What was not acknowledged was not written."""
