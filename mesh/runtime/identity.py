"""Who a node is, on disk: the mesh's folder with its CA, the node's folder with its key, and TLS made from both.

Invariant: a folder's `mesh.json` is written last, so a folder that has one is complete; and no file of an existing
folder is ever overwritten.
"""

import os
import secrets
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mesh.errors import MalformedMessage, StorageError, UsageError
from mesh.ids import MeshId, NodeId
from mesh.runtime.certificates import (
    MESH_ID_BYTES,
    NAME_CHARS_MAX,
    NAME_RULE,
    CertificateFaults,
    Claims,
    certify,
    claims_of,
    make_ca,
    mesh_id_of,
    node_id,
    public_der,
)
from mesh.transport.streams import ALPN_PEER

ALPN_HTTP = "http/1.1"

EPOCH_SECRET_BYTES = 32
SECRET_MODE = 0o600
PUBLIC_MODE = 0o644

CARD, CA_CERTIFICATE, CA_KEY, NODE_CERTIFICATE, NODE_KEY = "mesh.json", "ca.pem", "ca.key", "node.pem", "node.key"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identity:
    """A node as its folder describes it. Secrets are left out of `repr`."""

    folder: Path
    name: str
    node: NodeId
    mesh: MeshId
    mesh_name: str
    certificate_der: bytes
    ca_der: bytes
    epoch_secret: bytes = field(repr=False)
    key: ec.EllipticCurvePrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Admin:
    """Who may sign for the mesh itself. The key is left out of `repr`."""

    mesh: MeshId
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    def sign(self, content: bytes) -> bytes:
        """The admin's signature of `content` (ECDSA with SHA-256, RFC 6979)."""
        return self.key.sign(content, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


class _Card(msgspec.Struct, frozen=True):
    mesh_id: str
    name: str
    epoch_secret: bytes  # msgspec writes bytes as base64
    node_name: str = ""

    def __post_init__(self) -> None:
        if len(bytes.fromhex(self.mesh_id)) != MESH_ID_BYTES:
            raise ValueError(f"mesh_id should be {2 * MESH_ID_BYTES} hexadecimal digits")
        if len(self.epoch_secret) != EPOCH_SECRET_BYTES:
            raise ValueError(f"epoch_secret should be {EPOCH_SECRET_BYTES} bytes in base64")


@dataclass(frozen=True, slots=True)
class _Authority:
    card: _Card
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


# ---- making folders


def create_mesh(path: Path, mesh_name: str) -> MeshId:
    """Make a mesh: its CA, its id, and its first epoch secret, in the folder `path`.

    Raises UsageError where the name breaks the rule or the folder holds such files already (nothing changes then),
    and StorageError where the disk refuses.
    """
    _check_name(mesh_name, "mesh_name")
    _refuse_existing(path, (CARD, CA_KEY, CA_CERTIFICATE, NODE_KEY, NODE_CERTIFICATE))
    card = _Card(secrets.token_hex(MESH_ID_BYTES), mesh_name, secrets.token_bytes(EPOCH_SECRET_BYTES))
    key = ec.generate_private_key(ec.SECP256R1())
    _make_folder(path)
    _write(path / CA_KEY, _key_pem(key), SECRET_MODE)
    _write(path / CA_CERTIFICATE, _pem(make_ca(card.name, card.mesh_id, key)), PUBLIC_MODE)
    _write(path / CARD, _card_json(card), SECRET_MODE)
    return MeshId(bytes.fromhex(card.mesh_id))


def create_node(path: Path, name: str, mesh_folder: Path) -> Identity:
    """Make a node of the mesh in `mesh_folder`: its key, and a certificate that lives as long as the CA.

    Raises UsageError where the name breaks the rule, `path` holds a node already (nothing changes then), or
    `mesh_folder` is none; StorageError where the disk refuses or a file of the mesh is damaged.
    """
    _check_name(name, "name")
    _refuse_existing(path, (CARD, NODE_KEY, NODE_CERTIFICATE, CA_CERTIFICATE, CA_KEY))
    authority = _load_authority(mesh_folder)
    key = ec.generate_private_key(ec.SECP256R1())
    card = msgspec.structs.replace(authority.card, node_name=name)
    _make_folder(path)
    _write(path / NODE_KEY, _key_pem(key), SECRET_MODE)
    _write(
        path / NODE_CERTIFICATE,
        _pem(certify(authority.certificate, authority.key, name, key.public_key())),
        PUBLIC_MODE,
    )
    _write(path / CA_CERTIFICATE, _pem(authority.certificate), PUBLIC_MODE)
    _write(path / CARD, _card_json(card), SECRET_MODE)
    return load_node(path)


def _check_name(name: str, where: str) -> None:
    if not NAME_RULE.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a {'mesh' if where == 'mesh_name' else 'node'}: expected 1 to {NAME_CHARS_MAX} "
            "ASCII letters, digits, dots, dashes and underscores, beginning with a letter or digit",
            field=where,
            rule="name",
            todo="choose another name",
        )


def _refuse_existing(path: Path, files: tuple[str, ...]) -> None:
    there = [file for file in files if os.path.lexists(path / file)]
    if there:
        raise UsageError(
            f"{path} already holds {_what_is_there(path)}: {', '.join(there)}; nothing was changed",
            field="path",
            rule="a new identity needs a folder without one",
            todo="use what is there, or name another folder",
        )


def _what_is_there(path: Path) -> str:
    if not (path / CARD).is_file():
        return "an unfinished identity"
    try:
        card = _read(path / CARD, _read_card, "a mesh's card")
    except StorageError:
        return "an identity that can't be read"
    return f"node {card.node_name!r} of mesh {card.name!r}" if card.node_name else f"mesh {card.name!r}"


# ---- reading folders


def load_node(path: Path) -> Identity:
    """The node in folder `path`.

    Raises UsageError where there is none, StorageError (with the file's name) where a file is missing, unreadable,
    damaged, or does not belong to the others.
    """
    card = _load_card(path, "node", "make one with `mesh init` or `mesh join`")
    if not card.node_name:
        raise UsageError(
            f"{path} holds the mesh {card.name!r} itself, not a node of it", field="path", rule="node folder"
        )
    key = _read(path / NODE_KEY, _read_key, "a P-256 private key in PEM")
    ca = _read(path / CA_CERTIFICATE, x509.load_pem_x509_certificate, "the CA's certificate in PEM")
    certificate = _read(path / NODE_CERTIFICATE, x509.load_pem_x509_certificate, "this node's certificate in PEM")
    _check_belonging(path / NODE_CERTIFICATE, certificate, ca, (card, key))
    return Identity(
        folder=path,
        name=card.node_name,
        node=node_id(key.public_key()),
        mesh=MeshId(bytes.fromhex(card.mesh_id)),
        mesh_name=card.name,
        certificate_der=_der(certificate),
        ca_der=_der(ca),
        epoch_secret=card.epoch_secret,
        key=key,
    )


def load_admin(path: Path) -> Admin:
    """The admin of the mesh whose own folder this is. Raises UsageError, StorageError."""
    authority = _load_authority(path)
    return Admin(MeshId(bytes.fromhex(authority.card.mesh_id)), authority.key)


def _load_authority(path: Path) -> _Authority:
    card = _load_card(path, "mesh", "make one with `mesh init`")
    if card.node_name:
        raise UsageError(
            f"{path} holds node {card.node_name!r}, which can't sign certificates: expected the mesh's own folder",
            field="mesh_folder",
            rule="mesh folder",
            todo=f"name the folder that holds {CA_KEY}",
        )
    key = _read(path / CA_KEY, _read_key, "the CA's P-256 private key in PEM")
    certificate = _read(path / CA_CERTIFICATE, x509.load_pem_x509_certificate, "the CA's certificate in PEM")
    if certificate.public_key() != key.public_key() or mesh_id_of(certificate) != card.mesh_id:
        raise StorageError(
            f"{CA_CERTIFICATE}, {CA_KEY} and {CARD} in {path} don't belong together; restore them from one backup"
        )
    return _Authority(card, certificate, key)


def _load_card(path: Path, kind: str, todo: str) -> _Card:
    if _is_absent(path / CARD):
        raise UsageError(
            f"{path} is no {kind} folder: expected a file {CARD} in it", field="path", rule=f"{kind} folder", todo=todo
        )
    return _read(path / CARD, _read_card, "the mesh's id, name and epoch secret in JSON")


def _is_absent(file: Path) -> bool:
    """Not there, rather than not ours to see."""
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _check_belonging(
    file: Path, certificate: x509.Certificate, ca: x509.Certificate, own: tuple[_Card, ec.EllipticCurvePrivateKey]
) -> None:
    card, key = own
    try:
        claims = claims_of(certificate, ca)
    except MalformedMessage as fault:
        raise StorageError(f"{file}: {fault}; restore the folder from a backup, or join again") from fault
    expected = Claims(
        card.node_name, node_id(key.public_key()), MeshId(bytes.fromhex(card.mesh_id)), public_der(key.public_key())
    )
    for part in ("node", "name", "mesh"):
        if getattr(claims, part) != getattr(expected, part):
            raise StorageError(
                f"{file} is another {part}'s than {CARD} and {NODE_KEY}: expected "
                f"{_text(getattr(expected, part))}, got {_text(getattr(claims, part))}; restore the folder"
            )


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.hex()


def _read(file: Path, read: Callable[[bytes], T], expected: str) -> T:
    try:
        return read(file.read_bytes())
    except OSError as error:
        raise StorageError(
            f"can't read {file}, expected {expected}: {error.strerror}; restore it from a backup"
        ) from error
    except (*CertificateFaults, msgspec.MsgspecError) as error:
        raise StorageError(f"{file} is damaged, expected {expected}: {error}; restore it from a backup") from error


def _read_card(content: bytes) -> _Card:
    return msgspec.json.decode(content, type=_Card)


def _read_key(content: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(content, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("it holds another kind of key")
    return key


# ---- writing files


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StorageError(
            f"can't make the folder {path}: {error.strerror}; name one that this user may write"
        ) from error


def _write(file: Path, content: bytes, mode: int) -> None:
    """Put `content` in `file` as a whole or not at all, and on the disk before this returns."""
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
        _sync_folder(file.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(f"can't write {file}: {error.strerror}; check the disk and who owns the folder") from error


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _card_json(card: _Card) -> bytes:
    return msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n"


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


# ---- TLS


def server_context(identity: Identity) -> ssl.SSLContext:
    """TLS 1.3 for whoever connects: peers show a certificate of this mesh, browsers need none.

    Raises StorageError where the node's folder no longer holds its key and certificate.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, identity)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.num_tickets = 0  # Unread tickets break the connection of a client that only writes; peers stay connected.
    context.set_alpn_protocols([ALPN_PEER, ALPN_HTTP])
    return context


def client_context(identity: Identity) -> ssl.SSLContext:
    """TLS 1.3 towards a peer. No host name is checked: who the peer is, its certificate says.

    Raises StorageError where the node's folder no longer holds its key and certificate.
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT, identity)
    context.check_hostname = False
    context.set_alpn_protocols([ALPN_PEER])
    return context


def _context(side: int, identity: Identity) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=identity.ca_der)
    try:
        context.load_cert_chain(identity.folder / NODE_CERTIFICATE, identity.folder / NODE_KEY)
    except (OSError, ssl.SSLError) as error:
        raise StorageError(
            f"can't use {NODE_CERTIFICATE} and {NODE_KEY} in {identity.folder} for TLS: {error}"
        ) from error
    return context
