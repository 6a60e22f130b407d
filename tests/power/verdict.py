"""Open a disk as a node would after a power cut, and say what is wrong with it: `python -m tests.power.verdict`.

Invariant: each cut is opened by an environment of its own, from a file that no process has had open.

The cuts come on stdin, one line of JSON each: a directory, and what had been promised. One answer per line goes to stdout: what is
wrong, if anything is. A file may be so broken that reading it ends the process; who asks counts that as an answer.
"""

import sys
from pathlib import Path

import msgspec
from msgspec import Struct

from mesh.crdt.compose import Put
from mesh.crdt.effects import Store
from mesh.crdt.events import Compose, Stored
from mesh.crdt.ledger import Ledger
from mesh.crdt.lines import read_lines
from mesh.crdt.verify import verify_replica
from mesh.errors import MeshError
from mesh.ids import RecordId, WriterId
from mesh.storage.environment import LEDGER_TABLES, LmdbReplica
from sim.trust import CheapTrust, certificate_for
from tests.crdt.site import MESH, NOON
from tests.power.workload import NAME


class Question(Struct, frozen=True):
    """A directory with a data file, and the batches (writer, number) that must be in it."""

    directory: str
    promised: list[tuple[bytes, int]]
    durable: bool


class Answer(Struct, frozen=True):
    """What is wrong, in a word (`unreadable`, `lost`, `torn`, `stuck`) and in a sentence; nothing where all is well."""

    fault: str = ""
    said: str = ""


def judge(question: Question) -> Answer:
    """What is wrong with the file that a power cut left."""
    path = Path(question.directory)
    try:
        replica = LmdbReplica.open(path, LEDGER_TABLES, mesh=MESH, durable=question.durable)
    except MeshError as problem:
        return Answer("unreadable", str(problem))
    try:
        return _judge_open(replica, question)
    except (MeshError, msgspec.MsgspecError, AssertionError) as problem:
        return Answer("unreadable", repr(problem))
    finally:
        replica.close()


def _judge_open(replica: LmdbReplica, question: Question) -> Answer:
    with replica.read() as reader:
        lines = read_lines(reader)
        report = verify_replica(reader, MESH, CheapTrust(NAME))
    if not report.is_whole:
        return Answer("torn", str(report.differences[0]))
    for writer, number in question.promised:
        line = lines.get(WriterId(writer))
        have = line.have.number if line is not None else 0
        if have < number:
            return Answer("lost", f"batch {number} of writer {writer.hex()}: {have} are here")
    return _go_on(replica)


def _go_on(replica: LmdbReplica) -> Answer:
    """A ledger opens on it, and the next write is stored."""
    ledger = Ledger(MESH, CheapTrust(NAME), replica, certificate_for(NAME), lambda size: b"n" * size)
    effects = ledger.handle(Compose(1, (Put(RecordId("variable", "next"), "f", 1),), NAME), NOON)
    for effect in effects:
        if isinstance(effect, Store):
            replica.write(effect.writes)
            ledger.handle(Stored(effect.ticket), NOON)
    ledger.check()
    head = ledger.durable.lines.get(ledger.writer)
    return Answer() if head is not None else Answer("stuck", "a write after the cut was not stored")


def main() -> None:
    """Answer until stdin ends."""
    decode = msgspec.json.Decoder(Question).decode
    for line in sys.stdin:
        sys.stdout.write(msgspec.json.encode(judge(decode(line))).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
