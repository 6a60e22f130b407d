"""What a node says when another one runs on a copy of its disk (DESIGN §4).

Invariant: what health says of it is the newest thing that the roster found out, and stays until the node is started again.
"""

from mesh.effects import Emit
from mesh.events import Publish
from mesh.runtime.node import Node
from mesh.runtime.rows import COPY_TOPIC

BACKLOG = 1_000


async def watch_doubles(node: Node) -> None:
    """Keep `node.copied`, and tell the other members of a copy that stands back, until cancelled."""
    while True:
        await _follow(node)


async def _follow(node: Node) -> None:
    with node.listen(BACKLOG, (Emit,)) as announcements:
        async for announcement in announcements:
            if isinstance(announcement, Emit) and announcement.name == "member.copied":
                _say(node, announcement)


def _say(node: Node, copied: Emit) -> None:
    node.copied = str(copied.about["reason"])
    if not node.stands_back:
        node.loop.tell(Publish(COPY_TOPIC, {"at": str(copied.about["at"]), "reason": node.copied}))
