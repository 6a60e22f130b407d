"""What all commands that talk to a peer have in common.

Invariant: trio and the client are imported when a command runs, not when it is looked up.
"""

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mesh.errors import UsageError

if TYPE_CHECKING:
    import ssl

    from mesh.client import MeshClient

DEFAULT_URL = "http://127.0.0.1:7700"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "anonymous"


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options of every command that asks a peer."""

    at: Annotated[tuple[str, ...], Parameter(env_var="MESH_AT", negative="")] = ()
    """URL of a peer; several, or separated by commas: the first that answers is asked. [default: http://127.0.0.1:7700]"""
    json: Annotated[bool, Parameter(negative="")] = False
    """Print JSON."""
    author: Annotated[str, Parameter(env_var="MESH_AUTHOR")] = ""
    """In whose name changes are made. [default: the user's name]"""
    ca: Annotated[Path | None, Parameter(env_var="MESH_CA")] = None
    """The mesh's ca.pem, for https URLs of peers."""
    timeout: float = 5.0
    """Seconds to wait for a connection."""

    def urls(self) -> list[str]:
        """The peers to try, in order."""
        found = [url.strip() for text in self.at for url in text.split(",") if url.strip()]
        return [url if "://" in url else f"http://{url}" for url in found] or [DEFAULT_URL]

    def signer(self) -> str:
        """In whose name something is done."""
        return self.author or _user()

    def client(self) -> "MeshClient":
        """A client for those peers. Raises UsageError."""
        from mesh.client import MeshClient

        return MeshClient(
            self.urls(), author=self.signer(), timeout_s=self.timeout, tls=_tls(self.ca) if self.ca else None
        )


def _tls(ca: Path) -> "ssl.SSLContext":
    """TLS that trusts the mesh's own CA. A node's certificate names the node, not its host, so no host name is checked."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    try:
        context.load_verify_locations(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"{ca} cannot be used as a CA: {error}", field="--ca", todo="name the ca.pem of a node's folder"
        ) from None
    return context


DEFAULT = Common()
