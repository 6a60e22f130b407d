"""The only codec: a version byte, limits, and msgpack.

Invariant: decoding arbitrary bytes returns messages within their limits or raises MalformedMessage, and nothing else.
"""

import msgspec
from msgspec import Struct

from mesh.errors import MalformedMessage
from mesh.ids import NodeId
from mesh.messages import Message

VERSION = 1
PACKET_BYTES_MAX = 65_000
FRAME_BYTES_MAX = 4 * 1024 * 1024
MESSAGES_MAX = 64


class Packet(Struct, frozen=True, array_like=True):
    """What one datagram holds, before it is sealed."""

    sender: NodeId
    messages: tuple[Message, ...]


_encode = msgspec.msgpack.Encoder().encode
_decode_packet = msgspec.msgpack.Decoder(Packet).decode
_decode_message = msgspec.msgpack.Decoder(Message).decode
_FAULTS = (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError, ValueError)


def encode_packet(sender: NodeId, messages: tuple[Message, ...]) -> bytes:
    """Messages as the plain text of a datagram."""
    return bytes([VERSION]) + _encode(Packet(sender, messages))


def decode_packet(raw: bytes) -> Packet:
    """The plain text of a datagram as messages. Raises MalformedMessage."""
    body = _body(raw, PACKET_BYTES_MAX)
    try:
        packet = _decode_packet(body)
    except _FAULTS as error:
        raise MalformedMessage(f"a packet was expected: {error}") from None
    if len(packet.sender) != 16 or len(packet.messages) > MESSAGES_MAX:
        raise MalformedMessage(f"a packet of a node with at most {MESSAGES_MAX} messages was expected")
    return packet


def encode_body(message: Message) -> bytes:
    """A message as it stands inside a packet or frame: for a sender that must know its size first."""
    return _encode(message)


def join_packet(sender: NodeId, bodies: list[bytes]) -> bytes:
    """Bodies as the plain text of one datagram; the same bytes as `encode_packet` of their messages."""
    return bytes([VERSION]) + _encode((sender, [msgspec.Raw(body) for body in bodies]))


def frame_of(body: bytes) -> bytes:
    """A body as one frame of a stream."""
    return bytes([VERSION]) + body


def encode_frame(message: Message) -> bytes:
    """A message as one frame of a stream."""
    return bytes([VERSION]) + _encode(message)


def decode_frame(raw: bytes) -> Message:
    """One frame of a stream as a message. Raises MalformedMessage."""
    body = _body(raw, FRAME_BYTES_MAX)
    try:
        message: Message = _decode_message(body)
    except _FAULTS as error:
        raise MalformedMessage(f"a message was expected: {error}") from None
    return message


def _body(raw: bytes, limit: int) -> memoryview:
    if not 2 <= len(raw) <= limit:
        raise MalformedMessage(f"2 to {limit} bytes were expected, {len(raw)} came")
    if raw[0] != VERSION:
        raise MalformedMessage(f"protocol version {VERSION} was expected, {raw[0]} came: upgrade the older peer")
    return memoryview(raw)[1:]
