"""What a node says of its disk follows what the disk answers.

Invariant: a damaged row is heard of however it was met. Full and read-only disks are in tests/runtime/test_disks.py.
"""

from pathlib import Path

import pytest

from mesh.crdt.keys import cell_key
from mesh.crdt.replica import Table
from mesh.errors import StorageError
from mesh.ids import RecordId
from mesh.runtime.backups import LEDGER
from mesh.runtime.node import Node
from mesh.storage.files import DATA_NAME
from mesh.storage.seals import Seals
from tests.runtime.meshes import make_folders, put, running, until
from tests.runtime.scenes_of_disks import value_at

KEY = cell_key(RecordId("variable", "x"), "value")

pytestmark = pytest.mark.live


def flip(folder: Path, node: Node) -> None:
    """Flip a bit of the cell of variable x under the running node."""
    with node.read() as reader:
        stored = Seals(node.identity.mesh).close(Table.CELLS, KEY, reader.get(Table.CELLS, KEY) or b"")
    file = folder / LEDGER / DATA_NAME
    place = file.read_bytes().index(stored)
    with open(file, "r+b") as writing:
        writing.seek(place)
        writing.write(bytes([stored[0] ^ 1]))


async def test_a_cell_that_a_client_finds_damaged_is_mended_at_once(tmp_path: Path) -> None:
    make_folders(tmp_path, "a")
    async with running(tmp_path, "a") as (a,):
        await put(a, "x", 1)
        flip(tmp_path / "a", a)
        with pytest.raises(StorageError, match="is damaged"):
            value_at(a, "x")
        await until(lambda: a.health().scrubs == 1)
        await until(lambda: _can_read(a))
        assert value_at(a, "x") == 1
        assert (a.storage, a.health().damaged) == ("ok", 0)


def _can_read(node: Node) -> bool:
    try:
        return value_at(node, "x") == 1
    except StorageError:
        return False
