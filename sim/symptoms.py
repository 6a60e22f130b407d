"""What kind of failure a sentence tells of: without its names, numbers and moments.

Invariant: two runs that break one promise in one way have one symptom, whoever broke it and when.
"""

import re
from collections.abc import Sequence

_NODE = re.compile(r"\bn\d{4,}(?:-copy-\d+)?\b|\bnode \d+\b")
_DOT = re.compile(r"\b[0-9a-f]{8,}(?:\.\d+\.\d+\.[0-9a-f]+)?\b")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_NODES = re.compile(r"N(?:, N)*(?: and # more)?")
_FIELD = re.compile(r"\b\w+/\S+ field '[^']*'")
_APART = re.compile(r"( differ(?: under equal digests)?):.*")


def symptom(failure: str) -> str:
    """The kind of one failure, as a sentence with `N` for nodes and `#` for numbers."""
    said = _APART.sub(r"\1", _FIELD.sub("a field", failure))
    return _NODES.sub("N", _NUMBER.sub("#", _DOT.sub("#", _NODE.sub("N", said))))


def symptoms(failures: Sequence[str]) -> list[str]:
    """The kinds of some failures, each once, in their order."""
    return list(dict.fromkeys(map(symptom, failures)))
