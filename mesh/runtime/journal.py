"""The journal: everything worth knowing that happens in a node, as JSON lines on stderr.

Invariant: the lines are made from the same values that watches and metrics see; a slow
reader of them loses lines and nothing else.
"""

import sys

import structlog
import trio

from mesh.effects import Emit
from mesh.runtime.node import Node

BACKLOG = 1_000
WARNINGS = (
    "peer.malformed",
    "peer.refused",
    "ledger.fork",
    "ledger.void",
    "ledger.held",
    "ledger.skew",
    "member.conflict",
    "member.down",
    "storage.mended",
)
ERRORS = (
    "storage.failed",
    "storage.soft",
    "storage.damaged",
    "storage.unequal",
    "member.copied",
    "ledger.era",
    "listener.error",
)


async def keep_journal(node: Node) -> None:
    """Write a line for every event until cancelled."""
    log = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
    ).bind(node=node.name)
    while True:
        await _follow(node, log)
        log.warning("journal.gap", reason="events came faster than they could be written")
        await trio.lowlevel.checkpoint()


async def _follow(node: Node, log: structlog.typing.WrappedLogger) -> None:
    with node.listen(BACKLOG, (Emit,)) as announcements:
        async for announcement in announcements:
            if isinstance(announcement, Emit):
                _write(log, announcement)


def _write(log: structlog.typing.WrappedLogger, emitted: Emit) -> None:
    about = {("of" if key == "node" else key): value for key, value in emitted.about.items()}
    if emitted.name in ERRORS:
        log.error(emitted.name, **about)
    elif emitted.name in WARNINGS:
        log.warning(emitted.name, **about)
    else:
        log.info(emitted.name, **about)
