"""What a client sends is read with a place for every fault, and only what JSON can say passes."""

from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.api.faults import Malformed
from mesh.api.json_input import DEPTH_MAX, read_json, read_msgpack

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN)
def test_plain_values_pass_in_both_codecs(value: object) -> None:
    assert read_json(msgspec.json.encode(value)) == value
    assert read_msgpack(msgspec.msgpack.encode(value)) == value


@given(st.binary(max_size=40))
def test_no_bytes_can_do_more_harm_than_malformed(raw: bytes) -> None:
    for read in (read_json, read_msgpack):
        with suppress(Malformed):
            read(raw)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b'{"a": 1,}', "line 1, column 9"),
        (b'{"a":\n  1,,}', "line 2, column 5"),
        ('{\n"ä": x}'.encode(), "line 2, column 6"),
        (b"", "line 1, column 1"),
        (b'{"a', "line 1, column 4"),
    ],
)
def test_a_fault_in_json_is_told_by_line_and_column(text: bytes, place: str) -> None:
    with pytest.raises(Malformed) as caught:
        read_json(text)
    assert caught.value.field == place


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), b"bytes", {1: 2}, [msgspec.msgpack.Ext(1, b"")], {"a": [float("-inf")]}]
)
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(Malformed):
        read_msgpack(msgspec.msgpack.encode(value))


def test_integers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(Malformed, match="64 bits"):
        read_json(b"18446744073709551616")


@pytest.mark.parametrize("depth", [DEPTH_MAX + 1, 2_000, 200_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    with pytest.raises(Malformed, match="levels of nesting"):
        read_json(b"[" * depth + b"]" * depth)
    with pytest.raises(Malformed, match="levels of nesting"):
        read_msgpack(b"\x91" * depth + b"\xc0")


@given(st.integers(DEPTH_MAX - 3, DEPTH_MAX + 2), st.sampled_from(["1", '"["', str(2**64 - 1), str(2**64), "1e3"]))
def test_the_quick_look_at_a_json_text_judges_as_the_long_one(depth: int, inner: str) -> None:
    raw = ("[" * depth + inner + "]" * depth).encode()
    packed = msgspec.msgpack.encode(0)
    try:
        packed = msgspec.msgpack.encode(msgspec.json.decode(raw))
    except OverflowError:  # MessagePack cannot even say it.
        with pytest.raises(Malformed):
            read_json(raw)
        return
    assert _verdict(read_json, raw) == _verdict(read_msgpack, packed)


def _verdict(read: Callable[[bytes], object], raw: bytes) -> bool:
    try:
        read(raw)
    except Malformed:
        return False
    return True
