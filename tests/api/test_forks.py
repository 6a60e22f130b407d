"""A fork is listed with both signed batches: whoever has the writer's key can check it."""

from pathlib import Path

import pytest

from mesh.crdt.batch import DOMAIN, SEMANTICS, Batch, Content, encode_content, hash_content, writer_id
from mesh.events import Received
from mesh.ids import NO_BATCH
from mesh.messages import Batches
from mesh.runtime.node import Node
from mesh.runtime.trust import KeyTrust
from tests.api.serving import one_node
from tests.runtime.meshes import until

pytestmark = pytest.mark.live

ERA = b"an era of a test"


def signed(node: Node, author: str) -> Batch:
    """A first batch of this node, as a writer of another era."""
    trust, raw = KeyTrust(node.identity), node.identity.certificate_der
    own = trust.read_certificate(raw)
    writer = writer_id(own.hash, ERA)
    content = encode_content(
        Content(DOMAIN, node.identity.mesh, SEMANTICS, 0, writer, ERA, own.hash, 1, NO_BATCH, 1, author, (), (), {})
    )
    return Batch(content, trust.sign(content))


async def test_a_fork_is_listed_with_both_batches_as_signed(tmp_path: Path) -> None:
    async with one_node(tmp_path) as (ada, http):
        assert (await http.get("/v1/forks")).json()["items"] == []
        both = signed(ada, "eva"), signed(ada, "leo")
        message = Batches(both, (ada.identity.certificate_der,))
        ada.loop.tell(Received(ada.identity.node, ada.address, message))
        await until(lambda: bool(ada.loop.peer.ledger.durable.branches))
        (fork,) = (await http.get("/v1/forks")).json()["items"]
        assert (fork["number"], fork["peer"]) == (1, "ada")
        key = KeyTrust(ada.identity).read_certificate(ada.identity.certificate_der).key
        for branch in fork["branches"]:
            content, signature = bytes.fromhex(branch["content"]), bytes.fromhex(branch["signature"])
            assert Batch(content, signature) in both
            assert KeyTrust(ada.identity).verify(key, signature, content)
            assert hash_content(content).hex() == branch["batch"]
        assert sorted(branch["author"] for branch in fork["branches"]) == ["eva", "leo"]
