"""The only codec: what was said is what is heard, and hostile bytes end in one exception.

Invariant: every message type is here; one that is added to the union without a strategy fails a test.
"""

from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.errors import MalformedMessage
from mesh.ids import Boot, NodeId
from mesh.messages import NEWS_MAX, Accusation, Boards, Gossip, Message, RosterPage, Standing
from mesh.wire import (
    FRAME_BYTES_MAX,
    MESSAGES_MAX,
    PACKET_BYTES_MAX,
    VERSION,
    decode_frame,
    decode_packet,
    encode_body,
    encode_frame,
    encode_packet,
    frame_of,
    join_packet,
)
from tests.strategies import MESSAGES, messages, nodes

NODE = NodeId(b"a node that says")


def test_every_message_has_a_strategy() -> None:
    assert set(MESSAGES) == set(get_args(Message))


@pytest.mark.parametrize("kind", MESSAGES)
@settings(max_examples=50)
@given(st.data())
def test_a_frame_comes_back_as_it_was_said(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(MESSAGES[kind])
    frame = encode_frame(message)
    assert frame[0] == VERSION
    assert decode_frame(frame) == message
    assert frame_of(encode_body(message)) == frame


@given(nodes, st.lists(messages, max_size=4).map(tuple))
def test_a_packet_comes_back_as_it_was_said(sender: NodeId, said: tuple[Message, ...]) -> None:
    packet = decode_packet(encode_packet(sender, said))
    assert (packet.sender, packet.messages) == (sender, said)
    assert join_packet(sender, [encode_body(message) for message in said]) == encode_packet(sender, said)


def heard(raw: bytes) -> list[object]:
    """What both decoders make of bytes; anything but a value or MalformedMessage is a failure."""
    found: list[object] = []
    for decode in (decode_frame, decode_packet):
        try:
            found.append(decode(raw))
        except MalformedMessage:
            continue
    return found


@given(st.binary(max_size=80))
@settings(max_examples=300)
def test_any_bytes_are_heard_or_malformed(raw: bytes) -> None:
    heard(raw)
    heard(bytes([VERSION]) + raw)


@given(messages, st.data())
@settings(max_examples=300)
def test_changed_bytes_are_heard_or_malformed(message: Message, data: st.DataObject) -> None:
    for whole in (encode_frame(message), encode_packet(NODE, (message,))):
        raw = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        heard(bytes(raw))


@given(messages, st.data())
def test_truncated_bytes_are_malformed(message: Message, data: st.DataObject) -> None:
    for raw in (encode_frame(message), encode_packet(NODE, (message,))):
        assert heard(raw[: data.draw(st.integers(0, len(raw) - 1))]) == []


@given(messages)
def test_bytes_behind_a_message_are_malformed(message: Message) -> None:
    assert heard(encode_frame(message) + b"\x00") == []


@pytest.mark.parametrize("version", [0, VERSION + 1, 255])
def test_another_version_is_named(version: int) -> None:
    raw = encode_frame(Gossip(()))
    with pytest.raises(MalformedMessage, match=f"protocol version {VERSION} was expected, {version} came"):
        decode_frame(bytes([version]) + raw[1:])


@pytest.mark.parametrize(
    "bomb",
    [
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x91" * 50_000,
        b"\x81\x01" * 20_000,
        b"\x9f" + b"\x91" * 50_000,
        b"\xa2\xff\xff",
        b"\xcf" + b"\xff" * 8,
    ],
)
def test_bombs_are_malformed(bomb: bytes) -> None:
    opening = msgspec.msgpack.encode([10, 1])[:-1]
    for raw in (bomb, opening + bomb, b"\x92\xc4\x10" + NODE + bomb):
        assert heard(bytes([VERSION]) + raw) == []


def test_limits_are_part_of_the_types() -> None:
    accusation = Accusation(NODE, Boot(1, 1), 0, Standing.DOWN, NODE)
    with pytest.raises(MalformedMessage):
        decode_frame(encode_frame(Gossip((accusation,) * (NEWS_MAX + 1))))
    decode_frame(encode_frame(Gossip((accusation,) * NEWS_MAX)))
    with pytest.raises(MalformedMessage):
        decode_frame(encode_frame(RosterPage((), (accusation,) * 20_001)))
    with pytest.raises(MalformedMessage):
        decode_packet(encode_packet(NODE, (Boards(()),) * (MESSAGES_MAX + 1)))
    with pytest.raises(MalformedMessage):
        decode_packet(encode_packet(NodeId(b"short"), ()))


@pytest.mark.parametrize("size", [0, 1, FRAME_BYTES_MAX + 1])
def test_a_frame_out_of_size_is_not_decoded(size: int) -> None:
    with pytest.raises(MalformedMessage, match=f"2 to {FRAME_BYTES_MAX} bytes"):
        decode_frame(bytes(size))


def test_a_packet_out_of_size_is_not_decoded() -> None:
    with pytest.raises(MalformedMessage, match=f"2 to {PACKET_BYTES_MAX} bytes"):
        decode_packet(bytes(PACKET_BYTES_MAX + 1))
