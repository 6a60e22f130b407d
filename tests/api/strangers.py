"""A member that signs what it likes, with real keys: so that a real node meets batches that it cannot apply."""

from pathlib import Path

import msgspec
import trio

from mesh.crdt.batch import DOMAIN, SEMANTICS, Batch, Change, Content, encode_content, hash_content, writer_id
from mesh.crdt.clock import stamp_of
from mesh.events import Received
from mesh.ids import NO_BATCH, Address, Dot, Head
from mesh.messages import Batches
from mesh.runtime.identity import load_node
from mesh.runtime.node import Node
from mesh.runtime.trust import KeyTrust

ERA = b"era of a scribe!"
SINCE = 1_800_000_000.0


class Scribe:
    """Signs batches in the name of the node in a folder."""

    def __init__(self, folder: Path) -> None:
        self.identity = load_node(folder)
        self.trust = KeyTrust(self.identity)
        self.certificate = self.trust.read_certificate(self.identity.certificate_der)
        self.writer = writer_id(self.certificate.hash, ERA)
        self.head = Head(self.writer, 0, NO_BATCH)

    def next(self, *changes: Change, **given: object) -> Batch:
        """Sign the next batch of the chain, and go on from it."""
        number = self.head.number + 1
        content = Content(
            domain=DOMAIN,
            mesh=self.identity.mesh,
            semantics=SEMANTICS,
            epoch=0,
            writer=self.writer,
            era=ERA,
            certificate=self.certificate.hash,
            number=number,
            previous=self.head.hash,
            stamp=stamp_of(SINCE) + number,
            author="scribe",
            after=(),
            changes=changes,
            about={"reason": "because"},
        )
        raw = encode_content(msgspec.structs.replace(content, **given))
        self.head = Head(self.writer, number, hash_content(raw))
        return Batch(raw, self.trust.sign(raw))

    def dot(self, index: int = 0) -> Dot:
        """A change of the newest batch."""
        return Dot(self.writer, self.head.number, index, self.head.hash[:8])

    async def tell(self, node: Node, *batches: Batch) -> None:
        """Let a node hear batches; they are on its disk, or refused, when this returns."""
        message = Batches(batches, (self.identity.certificate_der,), False)
        node.loop.tell(Received(self.identity.node, Address("127.0.0.1", 9), message))
        with trio.fail_after(20):
            await node.retry_held(self.writer)
