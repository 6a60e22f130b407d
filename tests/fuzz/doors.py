"""What is fuzzed outside the core: certificates, sealed datagrams, frames of a stream, requests of clients, tokens, imported files.

Invariant: a target returns, or raises what is to be reported; the keys of a process are its own.
"""

import base64
import json
import tempfile
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import cache
from pathlib import Path

import trio
from msgspec import UNSET, Struct

from mesh.api import rpc
from mesh.api.json_input import JSON, MSGPACK, Codec
from mesh.api.methods import METHODS, decode
from mesh.api.shapes import OpenWatch
from mesh.crdt.token import decode_token, encode_token
from mesh.errors import MalformedMessage, MeshError, UsageError
from mesh.ids import MeshId, WriterId
from mesh.importers.chaos_mdsconfig import read
from mesh.runtime.identity import create_mesh, create_node
from mesh.runtime.trust import KeyTrust
from mesh.transport.errors import StreamBroken
from mesh.transport.seal import Opener, Sealer, epochs
from mesh.transport.streams import FramedStream

MESH = MeshId(b"a mesh of tests!")
SECRET = b"an epoch's secret of 32 bytes..."
SALT = b"a salt of a test"


class Keys(Struct, frozen=True):
    """A node's keys, and the one certificate of them that its CA signed."""

    trust: KeyTrust
    certificate: bytes


@cache
def keys() -> Keys:
    with tempfile.TemporaryDirectory() as folder:
        create_mesh(Path(folder) / "mesh", "fuzz")
        identity = create_node(Path(folder) / "node", "node", Path(folder) / "mesh")
    return Keys(KeyTrust(identity), identity.certificate_der)


@cache
def datagrams() -> list[bytes]:
    sealer = Sealer(SECRET, MESH, SALT)
    return [sealer.seal(text) for text in (b"", b"hello", b"x" * 1000)]


def certificate(raw: bytes) -> None:
    """Nothing but what the CA signed is a certificate, to the byte."""
    keys().trust.read_certificate(raw)
    assert raw == keys().certificate


def datagram(raw: bytes) -> None:
    """Nothing but what was sealed is opened, and that once."""
    opener = Opener(epochs(SECRET), MESH)
    try:
        opener.open(raw)
        assert raw in datagrams()
        with suppress(MalformedMessage):
            opener.open(raw)
            raise AssertionError("it was opened twice")
    finally:
        opener.check()


class _Pieces(trio.abc.Stream):
    """What came, in pieces as a network cuts them; then the end."""

    def __init__(self, raw: bytes) -> None:
        size = raw[0] + 1 if raw else 1
        self._pieces = [raw[at : at + size] for at in range(0, len(raw), size)]

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        raise AssertionError("nothing is sent here")

    async def wait_send_all_might_not_block(self) -> None:
        raise AssertionError("nothing is sent here")

    async def aclose(self) -> None:
        """There is nothing to close."""


def stream(raw: bytes) -> None:
    """Frames come as they were said; what is left over was announced, and is no frame."""
    framed, heard = FramedStream(_Pieces(raw)), b""
    try:
        while (frame := _run(framed.receive())) is not None:
            heard += len(frame).to_bytes(4, "big") + frame
        assert heard == raw
    except (MalformedMessage, StreamBroken):
        assert raw.startswith(heard)
        assert len(heard) < len(raw)


def _run(receiving: "Coroutine[object, object, bytes | None]") -> bytes | None:
    """The result of a coroutine that never has to wait."""
    try:
        receiving.send(None)
    except StopIteration as ended:
        frame: bytes | None = ended.value
        return frame
    raise AssertionError("it waits for something that nobody sends")


def _request(raw: bytes, codec: Codec) -> None:
    try:
        message = rpc.read(raw, codec)
    except MeshError as error:
        _say(codec, rpc.failure(None, error))
        return
    for request in message.requests:
        if request.fault is None:
            _decode_parameters(request, codec)
        else:
            _say(codec, rpc.failure(request.id, request.fault))


def _decode_parameters(request: rpc.Request, codec: Codec) -> None:
    kinds = [method.params for name, method in METHODS.items() if name == request.method] or [OpenWatch]
    try:
        decode(kinds[0], request.params)
    except MeshError as error:
        _say(codec, rpc.failure(request.id, error))
    _say(codec, rpc.Result(None if request.id is UNSET else request.id, request.params))


def _say(codec: Codec, response: rpc.Response) -> None:
    """Every answer can be encoded."""
    assert codec.encode(response)


def request(raw: bytes) -> None:
    """A message in JSON is requests that can be answered, or is told what is wrong with it."""
    _request(raw, JSON)


def request_msgpack(raw: bytes) -> None:
    """The same in MessagePack."""
    _request(raw, MSGPACK)


def token(raw: bytes) -> None:
    """A token is a position that is told again the same way, or is refused."""
    with suppress(UsageError):
        position = decode_token(raw.decode("latin-1"))
        assert decode_token(encode_token(position)) == position


def imported(raw: bytes) -> None:
    """A file of another system is records and notes, or is refused with the place of the fault."""
    with suppress(UsageError):
        read(raw)


DOORS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (certificate, datagram, stream, request, request_msgpack, token, imported)
}


def _requests() -> list[dict[str, object]]:
    asked = {"collection": "unit", "key": "BTF/DIPOLE/1", "value": {"desired": "START"}, "reason": "the beam is back"}
    methods = [{"method": name, "params": asked} for name in METHODS]
    watch = {"method": "watch.open", "params": {"kind": "records", "collection": "unit", "prefix": "BTF/"}}
    return [{"jsonrpc": "2.0", "id": number, **said} for number, said in enumerate([*methods, watch])]


def door_corpus(name: str) -> list[bytes]:
    """What an honest client or peer says to a target."""
    match name:
        case "certificate":
            return [keys().certificate]
        case "datagram":
            return datagrams()
        case "stream":
            frames = [len(text).to_bytes(4, "big") + text for text in (b"", b"hello", b"x" * 300)]
            return [*frames, b"".join(frames)]
        case "request" | "request_msgpack":
            codec = JSON if name == "request" else MSGPACK
            said = [codec.encode(value) for value in (*_requests(), _requests())]
            return [text.encode() if isinstance(text, str) else text for text in said]
        case "token":
            position = {WriterId(bytes([n]) * 16): n * 1000 for n in range(3)}
            return [encode_token(position).encode(), base64.urlsafe_b64encode(b"\x01\x80")]
        case _:
            return [json.dumps(_export()).encode(), b'{"us": []}']


def _export() -> dict[str, object]:
    attribute = {"ds_attr_name": "current", "ds_max_range": "10", "ds_min_range": "0", "ds_default_value": "1.5"}
    driver = {"name": "Sim", "version": "1", "init_parameter": "a:1"}
    unit = {
        "cu_id": "BTF/DIPOLE/1",
        "cu_type": "PowerSupply",
        "cu_param": "{}",
        "auto_load": "true",
        "storage_type": "1",
    }
    return {
        "us": [{"unit_server_alias": "BTF/US1", "cu_desc": [{**unit, "drivers": [driver], "attributes": [attribute]}]}]
    }
