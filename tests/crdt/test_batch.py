"""A batch's bytes: one encoding, one hash, and nothing that can be read in two ways."""

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.crdt.batch import (
    CONTENT_BYTES_MAX,
    SIGNATURE_BYTES_MAX,
    Batch,
    Change,
    Content,
    Kind,
    decode_batch,
    encode_batch,
    encode_content,
    encode_value,
    hash_content,
    open_batch,
)
from mesh.errors import MalformedMessage
from mesh.ids import RecordId
from tests.crdt.site import MESH, Pen, put
from tests.strategies import batches, dots, heads, json_values, records, texts

changes = st.builds(
    Change, records, texts, st.sampled_from(Kind), st.binary(max_size=20), st.lists(dots, max_size=3).map(tuple)
)
contents = st.builds(
    lambda after, changed, about, stamp, author: Pen().draft(
        after=tuple(after), changes=tuple(changed), about=about, stamp=stamp, author=author
    ),
    st.lists(heads, max_size=3),
    st.lists(changes, max_size=3),
    st.dictionaries(texts, texts, max_size=3),
    st.integers(0, 2**63 - 1),
    texts,
)


@given(contents)
def test_a_content_comes_back_from_its_bytes(content: Content) -> None:
    opened = open_batch(Pen().sign(content), MESH)
    assert opened.content == content
    assert opened.hash == hash_content(encode_content(content))
    assert opened.head.hash == opened.hash
    assert opened.dot(3).mark == opened.hash[:8]


@given(batches)
def test_a_batch_comes_back_from_its_row(batch: Batch) -> None:
    assert decode_batch(encode_batch(batch)) == batch


@given(contents, st.data())
@settings(max_examples=150)
def test_changed_bytes_are_another_content_or_none(content: Content, data: st.DataObject) -> None:
    raw = bytearray(encode_content(content))
    position = data.draw(st.integers(0, len(raw) - 1))
    raw[position] ^= data.draw(st.integers(1, 255))
    try:
        opened = open_batch(Batch(bytes(raw), b""), MESH)
    except MalformedMessage:
        return
    assert opened.hash != hash_content(encode_content(content))
    assert opened.content != content


@given(st.binary(max_size=100) | st.binary(max_size=20).map(lambda tail: b"\x9e" + tail))
@settings(max_examples=300)
def test_any_bytes_are_malformed_and_nothing_worse(raw: bytes) -> None:
    with pytest.raises(MalformedMessage):
        open_batch(Batch(raw, b""), MESH)


@given(st.binary(max_size=100))
def test_any_row_is_a_batch_or_malformed(raw: bytes) -> None:
    with suppress(MalformedMessage):
        assert encode_batch(decode_batch(raw))


@pytest.mark.parametrize(
    "tail", [b"\x91" * 5_000, b"\x81\x01" * 5_000, b"\xdd\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"]
)
def test_bombs_are_malformed(tail: bytes) -> None:
    known = msgspec.msgpack.encode(msgspec.structs.astuple(Pen().draft(semantics=2))[:12])[1:]
    for count, head in ((1, b""), (14, known)):
        with pytest.raises(MalformedMessage):
            open_batch(Batch(bytes([0x90 + count]) + head + tail, b""), MESH)


def test_what_is_too_large_is_not_decoded() -> None:
    with pytest.raises(MalformedMessage, match="at most 65536 bytes"):
        open_batch(Batch(bytes(CONTENT_BYTES_MAX + 1), b""), MESH)
    with pytest.raises(MalformedMessage, match="a signature of at most"):
        open_batch(Batch(b"", bytes(SIGNATURE_BYTES_MAX + 1)), MESH)


@given(json_values)
def test_equal_values_have_equal_bytes(value: object) -> None:
    again = msgspec.msgpack.decode(encode_value(value))
    assert encode_value(again) == encode_value(value)
    assert encode_value({"b": value, "a": 1}) == encode_value({"a": 1, "b": value})


def test_the_signature_is_no_part_of_the_hash() -> None:
    batch = Pen().next(put(RecordId("unit", "U"), "f", 1))
    assert open_batch(batch, MESH).hash == open_batch(Batch(batch.content, b"other"), MESH).hash
