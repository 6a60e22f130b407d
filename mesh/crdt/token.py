"""Causal tokens: an opaque position that is valid at every peer (DESIGN §11).

Invariant: a token covers another exactly when its number is at least as high for every writer; no clock is involved.
"""

import base64
import binascii
from collections.abc import Mapping

import msgspec

from mesh.errors import UsageError
from mesh.ids import WriterId

VERSION = b"\x01"
TOKEN_CHARACTERS_MAX = 1_000_000  # About 30,000 writers.

_decode = msgspec.msgpack.Decoder(dict[bytes, int]).decode


def encode_token(position: Mapping[WriterId, int]) -> str:
    """A position (writer -> applied number) as text that fits a URL."""
    body = msgspec.msgpack.encode({writer: position[writer] for writer in sorted(position)})
    return base64.urlsafe_b64encode(VERSION + body).rstrip(b"=").decode()


def decode_token(token: str) -> dict[WriterId, int]:
    """The position in a token. Raises UsageError."""
    try:
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise ValueError("it is too long")
        raw = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        if raw[:1] != VERSION:
            raise ValueError("its version is not known here")
        return {WriterId(writer): number for writer, number in _decode(raw[1:]).items()}
    except (ValueError, binascii.Error, msgspec.MsgspecError) as error:
        raise UsageError(
            f"a token from an earlier answer was expected: {error}", field="token", todo="leave it out"
        ) from None
