"""Readers are counted, and the slots of dead ones come free without a restart.

Invariant: a reader that lives is never swept away.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from mesh.crdt.replica import Table, Write
from mesh.ids import MeshId
from mesh.storage.environment import LmdbReplica
from mesh.storage.readers import Reading

MESH = MeshId(b"m" * 16)

pytestmark = pytest.mark.live


def test_a_killed_readers_slot_is_swept_and_a_living_ones_lag_is_seen(tmp_path: Path) -> None:
    replica = LmdbReplica.open(tmp_path, (Table.META,), mesh=MESH, durable=True)
    replica.write([Write(Table.META, b"n", b"0")])
    reading = (
        "import lmdb, sys\n"
        "environment = lmdb.open(sys.argv[1], readonly=True, max_dbs=9)\n"
        "with environment.begin() as reading:\n"
        "    print('reading', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", reading, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"reading\n"
            for n in range(5):
                replica.write([Write(Table.META, b"n", b"%d" % n)])
            assert replica.readers.sweep() == 0
            seen = replica.readers.look()
            assert (seen.readers >= 1, seen.lag) == (True, 5)
        finally:
            process.kill()
    before = replica.readers.look()
    assert replica.readers.sweep() == 1
    assert replica.readers.look() == Reading(before.readers - 1, before.readers_max, 0)
    replica.close()
