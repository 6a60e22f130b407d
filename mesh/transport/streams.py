"""Streams between peers: frames over TLS, from and to a node that has shown its certificate.

Invariant: a PeerStream exists only once both sides have accepted each other, and no frame is longer than
FRAME_BYTES_MAX, which is checked before memory is set aside for it.
"""

import os
import ssl
import struct

import trio

from mesh.errors import MalformedMessage, UsageError
from mesh.ids import Address, NodeId
from mesh.security.trust import Certificate, Trust
from mesh.transport.errors import PORT_MAX, ConnectFailed, StreamBroken
from mesh.transport.prefixed import TlsStream
from mesh.transport.silence import notice_silence

FRAME_BYTES_MAX = 4 * 1024 * 1024  # Sixty-four of the largest batches.
READ_BYTES = 64 * 1024
REASON_BYTES_MAX = 500  # A refusal is one sentence.
REFUSAL_TIMEOUT_S = 1.0  # Telling a stranger why is a courtesy.
ALPN_PEER = "chaosmesh/1"  # What peers offer in TLS; everybody else speaks HTTP on the same port.

_WELCOME = b""  # The accepting side's first frame: empty, or the reason why it refuses, in UTF-8.
_LENGTH = struct.Struct(">I")
_Broken = (trio.BrokenResourceError, trio.ClosedResourceError)


class FramedStream:
    """Frames over a stream of bytes: four bytes of length, big endian, then that many bytes.

    One task may send while another receives; two tasks may not send at once.
    """

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._torn = False

    async def send(self, frame: bytes) -> None:
        """Send one frame, waiting until the network takes it.

        Raises UsageError for a frame over the limit (nothing was sent), StreamBroken where the stream is gone. A send
        that is cancelled half-way breaks the stream for later ones.
        """
        if len(frame) > FRAME_BYTES_MAX:
            raise UsageError(
                f"frame too long: expected {FRAME_BYTES_MAX} bytes at most, got {len(frame)}", field="frame"
            )
        if self._torn:
            raise StreamBroken("an earlier frame was sent in part only; open another stream")
        self._torn = True
        try:
            await self._stream.send_all(_LENGTH.pack(len(frame)) + frame)
        except _Broken as error:
            raise StreamBroken(f"the stream broke while sending: {explain(error)}") from error
        self._torn = False

    async def receive(self, length_max: int = FRAME_BYTES_MAX) -> bytes | None:
        """The next frame; None where the other side closed. May be cancelled and called again.

        Raises MalformedMessage for a frame over the limit (receive no more then), StreamBroken where the stream broke.
        """
        if not await self._fill(_LENGTH.size):
            self._check_end()
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > length_max:
            raise MalformedMessage(f"frame too long: expected {length_max} bytes at most, announced were {length}")
        end = _LENGTH.size + length
        if not await self._fill(end):
            self._check_end()
            return None
        frame = bytes(memoryview(self._buffer)[_LENGTH.size : end])
        del self._buffer[:end]
        return frame

    async def aclose(self) -> None:
        """Close the stream. Closing twice is fine."""
        await self._stream.aclose()

    async def _fill(self, size: int) -> bool:
        """Read until `size` bytes are there; False where the stream ends before."""
        while len(self._buffer) < size:
            try:
                some = await self._stream.receive_some(READ_BYTES)
            except _Broken as error:
                raise StreamBroken(f"the stream broke while receiving: {explain(error)}") from error
            if not some:
                return False
            self._buffer += some
        return True

    def _check_end(self) -> None:
        if self._buffer:
            raise StreamBroken(f"the stream ended inside a frame, after {len(self._buffer)} bytes of it")


class PeerStream(FramedStream):
    """A stream to a node of this mesh, which `certificate` (as sent: `raw_certificate`) proves."""

    def __init__(self, stream: TlsStream, certificate: Certificate, raw_certificate: bytes, address: Address) -> None:
        super().__init__(stream)
        self.certificate = certificate
        self.raw_certificate = raw_certificate
        self.address = address

    @property
    def node(self) -> NodeId:
        """Who is at the other end."""
        return self.certificate.node

    @property
    def name(self) -> str:
        """What people call the node at the other end."""
        return self.certificate.name


async def connect(address: Address, context: ssl.SSLContext, trust: Trust, timeout_s: float = 10.0) -> PeerStream:
    """A stream to the node that listens at `address`, once both sides have accepted each other.

    Raises ConnectFailed with a reason within `timeout_s`.
    """
    try:
        with trio.fail_after(timeout_s):
            return await _dial(address, context, trust)
    except trio.TooSlowError:
        raise ConnectFailed(f"no answer within {timeout_s:g} s") from None


async def accept(stream: TlsStream, trust: Trust, address: Address) -> PeerStream:
    """The peer that connected from `address`, after the TLS handshake on `stream`.

    Raises ConnectFailed where it is not of this mesh; it has been told why. The caller closes `stream` then.
    """
    try:
        peer = _peer(stream, trust, address)
        notice_silence(stream.transport_stream)
        await peer.send(_WELCOME)
    except ConnectFailed as refusal:
        with trio.move_on_after(REFUSAL_TIMEOUT_S):
            await _refuse(stream, refusal.reason)
        raise
    except StreamBroken as error:
        raise ConnectFailed(str(error)) from error
    return peer


async def _dial(address: Address, context: ssl.SSLContext, trust: Trust) -> PeerStream:
    if not 0 < address.port <= PORT_MAX:
        raise ConnectFailed(f"can't connect: expected a port from 1 to {PORT_MAX}, got {address.port}")
    try:
        plain = await trio.open_tcp_stream(address.host, address.port)
    except (OSError, ValueError, OverflowError) as error:
        raise ConnectFailed(f"can't connect: {explain(error)}", _is_refusal(error)) from error
    try:
        notice_silence(plain)
        return await _greet(trio.SSLStream(plain, context, https_compatible=True), trust, address)
    except BaseException:
        await trio.aclose_forcefully(plain)
        raise


def _is_refusal(error: BaseException | None) -> bool:
    """Whether a machine said that nobody listens there; trio wraps what each of a name's addresses said."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_refusal, error.exceptions))
    return isinstance(error, ConnectionRefusedError) or (error is not None and _is_refusal(error.__cause__))


async def _greet(stream: TlsStream, trust: Trust, address: Address) -> PeerStream:
    try:
        await stream.do_handshake()
    except _Broken as error:
        raise ConnectFailed(f"no TLS connection: {explain(error)}") from error
    if stream.selected_alpn_protocol() != ALPN_PEER:
        raise ConnectFailed("something answers, but no node of a mesh: is it the right port?")
    peer = _peer(stream, trust, address)
    answer = await _answer(peer)
    if answer != _WELCOME:
        raise ConnectFailed(f"it refuses this node: {answer.decode(errors='replace')}", turned_away=True)
    return peer


async def _answer(peer: PeerStream) -> bytes:
    """The accepting side's first frame. TLS 1.3 tells a refused client nothing before it reads."""
    try:
        answer = await peer.receive(REASON_BYTES_MAX)
    except (StreamBroken, MalformedMessage) as error:
        raise ConnectFailed(f"it did not welcome this node: {error}") from error
    if answer is None:
        raise ConnectFailed("it closed the connection instead of welcoming this node; its log says why")
    return answer


def _peer(stream: TlsStream, trust: Trust, address: Address) -> PeerStream:
    raw = peer_certificate(stream)
    if raw is None:
        raise ConnectFailed("it showed no certificate: expected one of this mesh")
    try:
        return PeerStream(stream, trust.read_certificate(raw), raw, address)
    except MalformedMessage as fault:
        raise ConnectFailed(str(fault)) from fault


def peer_certificate(stream: TlsStream) -> bytes | None:
    """The certificate (DER) that the other side showed and the mesh's CA signed; None where it showed none."""
    raw: bytes | None = stream.getpeercert(binary_form=True)
    return raw


async def _refuse(stream: TlsStream, reason: str) -> None:
    try:
        await FramedStream(stream).send(reason.encode()[:REASON_BYTES_MAX])
        await stream.receive_some(1)  # Closing at once would destroy what is still under way.
    except (StreamBroken, *_Broken):
        return  # It left before it heard why.


def explain(error: BaseException) -> str:
    """The deepest cause of `error`, for people."""
    while error.__cause__ is not None:
        error = error.__cause__
    match error:
        case BaseExceptionGroup(exceptions=[first, *_]):
            return explain(first)
        case ssl.SSLCertVerificationError(verify_message=message):
            return f"its certificate is not of this mesh ({message})"
        case ssl.SSLEOFError():
            return "it closed the connection during the handshake; its log may say why"
        case ssl.SSLError(reason=reason):
            return f"TLS failed ({reason})"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number)  # Its own text repeats the address.
        case OSError(strerror=text) if text:
            return text
    return str(error) or type(error).__name__
