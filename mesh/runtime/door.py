"""The door: whose certificates may open a stream to this node, or be found at the other end of one.

Invariant: a node that an admin has ended is told so and is not let in, from the moment its end is durable here.
"""

from collections.abc import Callable, Mapping

from mesh.crdt.ends import End
from mesh.errors import MalformedMessage
from mesh.ids import NodeId
from mesh.runtime.identity import Identity
from mesh.runtime.trust import KeyTrust
from mesh.security.trust import Certificate


class Door(KeyTrust):
    """The trust in who stands at the other end of a stream: the mesh's CA has signed for it, and no admin has ended it."""

    def __init__(self, identity: Identity, ended: Callable[[], Mapping[NodeId, End]]) -> None:
        super().__init__(identity)
        self._ended = ended

    def read_certificate(self, raw: bytes) -> Certificate:
        """The certificate in `raw`. Raises MalformedMessage where it is none of this mesh, or of a node that was ended."""
        certificate = super().read_certificate(raw)
        end = self._ended().get(certificate.node)
        if end is not None:
            reason = end.reason or "no reason was given"
            raise MalformedMessage(
                f"{end.author} has ended node {certificate.name}: {reason}; join anew in a fresh folder"
            )
        return certificate
