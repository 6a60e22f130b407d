"""How long a replica takes from its file to the first record read, after a clean end and after SIGKILL in the middle of writing."""

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from bench.measure import Measure, at_most, seconds
from mesh.crdt.compose import Put
from mesh.crdt.effects import Store
from mesh.crdt.events import Compose, Stored
from mesh.crdt.ledger import Ledger
from mesh.crdt.view import read_record
from mesh.ids import RecordId
from mesh.runtime.identity import Identity, load_node
from mesh.runtime.trust import KeyTrust
from mesh.storage.environment import LEDGER_TABLES, LmdbReplica

OPENINGS = 7  # Of each kind.
COMMITS_MAX = 40  # A life ends after 1 to so many commits, in the middle of the next.
CHANGES = 64
BAR_S = 1.0


def reopenings(path: Path, node: Path, record: RecordId, fields: int) -> Iterator[Measure]:
    """Both figures, for the closed replica in directory `path` that holds `record`; `node` is the folder of its node's keys."""
    identity = load_node(node)
    detail: dict[str, float | int | str] = {"fields": fields, "openings": OPENINGS}

    def slowest(end: Callable[[], None]) -> float:
        slowest_s = 0.0
        for _ in range(OPENINGS):
            end()
            slowest_s = max(slowest_s, seconds(lambda: _open_and_read(path, identity, record)))
        return slowest_s

    yield at_most("ledger.reopen", slowest(lambda: None), BAR_S, "s to the first read, closed before", detail)
    rng = Random(1)
    killed_s = slowest(lambda: _write_until_killed(path, node, rng.randint(1, COMMITS_MAX)))
    yield at_most("ledger.reopen_killed", killed_s, BAR_S, "s to the first read, killed before", detail)


def _open_and_read(path: Path, identity: Identity, record: RecordId) -> None:
    replica = _open(path, identity)
    ledger = _ledger(replica, identity)
    with ledger.read_durable() as reader:
        assert read_record(reader, record) is not None
    replica.close()


def _write_until_killed(path: Path, node: Path, commits: int) -> None:
    """Let a process of its own write to the replica, and kill it while it does."""
    command = [sys.executable, "-m", "bench.reopening", str(path), str(node)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0) as child:
        assert child.stdout is not None
        for _ in range(commits):
            assert child.stdout.read(1) == b".", "the writing process ended by itself"
        child.kill()


def write_for_ever(path: Path, node: Path) -> None:
    """Overwrite fields of the replica, batch by batch; a dot on standard output tells of each that is durable."""
    identity = load_node(node)
    replica = _open(path, identity)
    ledger = _ledger(replica, identity)
    number = 0
    while True:
        edits = tuple(Put(RecordId("unit", f"KILLED/{n:04}"), "value", number) for n in range(CHANGES))
        for effect in ledger.handle(Compose(number, edits, "bench"), time.time()):
            if isinstance(effect, Store):
                replica.write(effect.writes)
                ledger.handle(Stored(effect.ticket), time.time())
                sys.stdout.write(".")
                sys.stdout.flush()
        number += 1


def _open(path: Path, identity: Identity) -> LmdbReplica:
    return LmdbReplica.open(path, LEDGER_TABLES, mesh=identity.mesh, durable=True)


def _ledger(replica: LmdbReplica, identity: Identity) -> Ledger:
    return Ledger(identity.mesh, KeyTrust(identity), replica, identity.certificate_der, secrets.token_bytes)


if __name__ == "__main__":
    write_for_ever(Path(sys.argv[1]), Path(sys.argv[2]))
