"""Golden transcripts: a small scenario of a core, one line per effect, compared with what was written down.

Invariant: a line is a function of the effect's value; identities are written as names.
"""

import os
from pathlib import Path

import msgspec

from mesh.crdt.batch import open_batch
from mesh.crdt.sums import EVERYTHING, SUM_BYTES, Span
from mesh.effects import Dial, Emit, Send, StoreLazily, Stream
from mesh.ids import NodeId, short
from mesh.messages import (
    Accept,
    Accusation,
    Ack,
    Batches,
    Boards,
    Claim,
    Drop,
    Echo,
    Gossip,
    Have,
    Heads,
    HeadSums,
    Knock,
    Message,
    More,
    Nack,
    Newsflash,
    Offer,
    Open,
    Ping,
    PingRequest,
    Prune,
    Refuse,
    RosterMarks,
    RosterPage,
    RosterSums,
    Sound,
    Versions,
    VersionSums,
    Want,
)
from tests.crdt.site import MESH
from tests.gossip.circle import NAMES, node

GOLDEN = Path(__file__).parent / "golden"
REGENERATE = "MESH_GOLDEN"  # Set it to 1, run the test, and read the difference before it is committed.
_NAMES = {node(name): name for name in NAMES}


def name_of(identity: NodeId) -> str:
    """The name of a node of the circle."""
    return _NAMES.get(identity, short(identity))


def check_transcript(name: str, lines: list[str]) -> None:
    """Compare with golden/<name>.txt; with MESH_GOLDEN=1 in the environment, write it."""
    path, text = GOLDEN / f"{name}.txt", "\n".join(lines) + "\n"
    if os.environ.get(REGENERATE):
        path.write_text(text)
    assert path.read_text() == text, f"if this is meant: {REGENERATE}=1 uv run pytest {__package__ or 'tests/gossip'}"


def line(effect: object) -> str:
    """One effect as one line."""
    match effect:
        case Send(to, _, message):
            return f"send {name_of(to)}: {said(message)}"
        case Stream(to, _, message):
            return f"stream {name_of(to)}: {said(message)}"
        case Dial(at):
            return f"dial {at}"
        case Emit(name, about):
            who = name_of(bytes.fromhex(str(about.get("node", ""))))
            return f"emit {name} {who}".rstrip()
        case StoreLazily(writes):
            return "store " + ", ".join(f"{write.table} {name_of(NodeId(write.key))}" for write in writes)
        case _:
            return type(effect).__name__


def said(message: Message) -> str:
    """What a message says, in a few words."""
    match message:
        case Ping(news=news):
            return told("ping", news)
        case Ack(target=target, news=news):
            return told(f"ack of {name_of(target)}", news)
        case PingRequest(target=target):
            return f"please ping {name_of(target)}"
        case Nack(_, target):
            return f"no answer of {name_of(target)} yet"
        case Knock():
            return "knock"
        case Open():
            return "open"
        case Gossip(news):
            return told("gossip", news)
        case RosterPage(claims, accusations, wanted):
            asked = f" and {', '.join(map(name_of, wanted))}?" if wanted else ""
            return told("roster" + asked, (*claims, *accusations))
        case RosterSums(sums):
            return f"sums of members in {len(sums) // SUM_BYTES} buckets"
        case RosterMarks(span, marks):
            held = [name_of(NodeId(marks[start : start + 16])) for start in range(0, len(marks), 24)]
            return f"members {', '.join(held) or 'none'}{_scope(span)}"
        case Heads(heads, reply, span):
            found = [f"{short(head.writer)}.{head.number}" for head in heads]
            return f"heads {', '.join(found) or 'none'}" + _scope(span) + (" and yours?" if reply else "")
        case Versions(boards, reply, span):
            found = [f"of {name_of(board.owner)} {board.version}" for board in boards]
            return f"boards {', '.join(found) or 'none'}" + _scope(span) + (" and yours?" if reply else "")
        case HeadSums(sums):
            return f"sums of heads in {len(sums) // SUM_BYTES} buckets"
        case VersionSums(sums):
            return f"sums of boards in {len(sums) // SUM_BYTES} buckets"
        case More(_, credit):
            return f"{credit} more"
        case Batches(batches, certificates, more):
            heads = [open_batch(batch, MESH).head for batch in batches]
            found = ", ".join(f"{short(head.writer)}.{head.number}" for head in heads)
            return f"batches {found} with {len(certificates)} certificates" + (", and there are more" if more else "")
        case Boards(deltas, more):
            return f"boards {len(deltas)}" + (", and there are more" if more else "")
        case Offer(near, _, _, eager):
            return ("near" if near else "far") + " link?" + (" eager" if eager else "")
        case Accept(eager):
            return "linked" + (" eagerly" if eager else "")
        case Echo(_, near):
            return f"echo, near are {', '.join(map(name_of, near)) or 'none'}"
        case Have(marks) | Want(marks):
            return f"{type(message).__name__.lower()} {', '.join(mark.hex()[:8] for mark in marks) or 'nothing'}"
        case Refuse() | Drop() | Sound() | Prune():
            return type(message).__name__.lower()


def _scope(span: Span) -> str:
    return "" if span == EVERYTHING else f" of {len(span.buckets)} in {span.of} buckets"


def told(what: str, news: tuple[Newsflash, ...]) -> str:
    """A message with the news that it carries."""
    return " | ".join([what, *map(_piece, news)])


def _piece(news: Newsflash) -> str:
    if isinstance(news, Accusation):
        return f"{name_of(news.accuser)} says {name_of(news.node)}.{news.counter} is {news.standing.name}"
    claim = msgspec.msgpack.decode(news.body, type=Claim)
    return f"{claim.name}.{claim.counter} is {claim.standing.name}"
