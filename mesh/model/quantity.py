"""Numbers as !CHAOS writes them, and the types that they suggest.

Every limit and default of a real export is a string, whatever its type: `100`, `1e-9`, `0x1C38`, or empty for "none".

Invariant: reading never raises; what is no number is None.
"""

import math
from enum import StrEnum


class AttributeType(StrEnum):
    """The types of `cudk_ds_attr_type`."""

    BOOL = "bool"  # 0
    INT8 = "int8"  # 7
    INT16 = "int16"  # 6
    INT32 = "int32"  # 1
    INT64 = "int64"  # 2
    UINT8 = "uint8"  # 11
    UINT16 = "uint16"  # 10
    UINT32 = "uint32"  # 8
    UINT64 = "uint64"  # 9
    FLOAT = "float"  # 12
    DOUBLE = "double"  # 3
    STRING = "string"  # 4
    BYTES = "bytes"  # 5
    JSON = "json"  # 13, "cluster"


INTEGERS = frozenset(AttributeType) - {
    AttributeType.BOOL,
    AttributeType.FLOAT,
    AttributeType.DOUBLE,
    AttributeType.STRING,
    AttributeType.BYTES,
    AttributeType.JSON,
}
REALS = frozenset({AttributeType.FLOAT, AttributeType.DOUBLE})

DIGITS_MAX = 40  # No limit of a device is longer; a text of a million digits is not worth reading.

# From the narrowest guess to the widest. Where several fit, a real control unit most often says the first.
GUESSES = (
    (AttributeType.INT32, -(2**31), 2**31 - 1),
    (AttributeType.UINT32, 0, 2**32 - 1),
    (AttributeType.INT64, -(2**63), 2**63 - 1),
    (AttributeType.UINT64, 0, 2**64 - 1),
)
WIDENING = (*(guess for guess, _, _ in GUESSES), AttributeType.DOUBLE, AttributeType.STRING)


def number(value: object) -> int | float | None:
    """The finite number that a limit or default means, or None. Understands decimal and hexadecimal strings."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return _number_in(value.strip())
    if isinstance(value, int):
        return value if abs(value) < 10**DIGITS_MAX else None
    return value if isinstance(value, float) and math.isfinite(value) else None


def _number_in(text: str) -> int | float | None:
    if len(text) > DIGITS_MAX or "_" in text or not text.isascii():
        return None
    for read in (int, _hexadecimal, float):
        try:
            found = read(text)
        except ValueError:
            continue
        return found if math.isfinite(found) else None
    return None


def _hexadecimal(text: str) -> int:
    if not text.lower().lstrip("+-").startswith("0x"):
        raise ValueError(text)
    return int(text, 16)


def infer_type(*values: object) -> AttributeType | None:
    """The type that a default and its limits suggest, or None where all are missing or empty. A guess, never a fact."""
    given = [value for value in values if value is not None and value != ""]
    if not given:
        return None
    if all(isinstance(value, bool) for value in given):
        return AttributeType.BOOL
    numbers = [found for value in given if (found := number(value)) is not None]
    if len(numbers) < len(given):
        return AttributeType.STRING
    if any(isinstance(found, float) for found in numbers):
        return AttributeType.DOUBLE
    return next((guess for guess, low, high in GUESSES if all(low <= n <= high for n in numbers)), AttributeType.DOUBLE)


def wider(left: AttributeType | None, right: AttributeType | None) -> AttributeType | None:
    """The narrowest type that holds what two guesses hold."""
    if left is None or right is None or left == right:
        return left or right
    if left in WIDENING and right in WIDENING:
        return max(left, right, key=WIDENING.index)
    return AttributeType.STRING
