"""A variable (`nt_variable`): a persistent named JSON value, in which dashboards keep what they share.

Invariant: the value is anything that JSON can say.
"""

from msgspec import Struct


class Variable(Struct, frozen=True, kw_only=True):
    """A named value."""

    value: object = None
    description: str | None = None
    labels: dict[str, str] | None = None
