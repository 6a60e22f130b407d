"""A unit server (`nt_unit_server`): the process that many control units share.

Invariant: every field is optional and unknown fields pass through; its address and health are state, and not here.
"""

from msgspec import Struct


class Server(Struct, frozen=True, kw_only=True):
    """A unit server. Which units it hosts is said by the units."""

    description: str | None = None  # ndk_desc
    labels: dict[str, str] | None = None
