"""What a JSON file of ours tells of: one run, or an experiment.

Invariant: it can be asked without the libraries that experiments need.
"""

import msgspec
from msgspec import Struct


class Kind(Struct):
    """What every report says first."""

    schema: int = 0
    kind: str = ""


def is_account(raw: bytes) -> bool:
    """Whether a JSON file is the account of an experiment, and not the report of one run."""
    try:
        return msgspec.json.decode(raw, type=Kind).kind == "experiment"
    except (msgspec.MsgspecError, UnicodeError):
        return False
