"""Flipped bytes at random places of a copy of a ledger's file: the node starts, says so, and gets from its peer what it lost.

Invariant: no start ends in anything but an open ledger or a sentence; no page is mapped that was not walked before.
"""

import shutil
from pathlib import Path
from random import Random

import pytest
from msgspec import Struct

from mesh.crdt.damage import rows
from mesh.crdt.replica import Table
from mesh.crdt.verify import verify_replica
from mesh.errors import StorageError
from mesh.runtime.backups import LEDGER
from mesh.runtime.disks import open_disks
from mesh.runtime.identity import load_node
from mesh.runtime.trust import KeyTrust
from mesh.storage.files import DATA_NAME
from tests.runtime.meshes import make_folders, put, running, until

PAGE = 4096
FLIPS = 14

pytestmark = pytest.mark.live


async def written(place: Path) -> tuple[Path, set[bytes]]:
    """The folder of a node that has written small and large records and was stopped, and the keys of its batches."""
    make_folders(place, "a", "b")
    async with running(place, "a") as (a,):
        for number in range(30):
            await put(a, f"x {number:02}", "long " * (number % 7 * 300))
        with a.read() as reader:
            return place / "a", {key for key, _ in reader.scan(Table.BATCHES)}


class Outcome(Struct):
    """What came of opening a damaged copy."""

    refused: str = ""
    notes: tuple[str, ...] = ()
    lost: int = 0


def opened(folder: Path, keys: set[bytes]) -> Outcome:
    """Open the ledger in `folder`; what is there then is whole, and was there before."""
    identity = load_node(folder)
    try:
        with open_disks(folder, identity) as disks, disks.ledger.read() as reader:
            found = {key for key, row in rows(reader, Table.BATCHES) if row is not None}
            report = verify_replica(reader, identity.mesh, KeyTrust(identity, threads=1))
    except StorageError as problem:
        return Outcome(refused=str(problem))
    assert found <= keys
    if disks.notes:
        assert report.is_whole, report.differences[0]
        assert not disks.verdict.keeps_era, "a node that can't know its own head goes on as another writer"
    return Outcome("", disks.notes, len(keys - found))


async def test_wherever_a_byte_is_flipped_the_ledger_opens_or_is_refused_with_a_sentence(tmp_path: Path) -> None:
    folder, keys = await written(tmp_path)
    sound = (folder / LEDGER / DATA_NAME).read_bytes()
    chance, rebuilt = Random(3), 0
    trees = [
        start for start in range(2 * PAGE, len(sound), PAGE) if sound[start + 10] in (1, 2)
    ]  # Branches and leaves.
    for number in range(FLIPS):
        copy = tmp_path / f"copy {number}"
        shutil.copytree(folder, copy)
        content = bytearray(sound)
        place = chance.choice(trees) + chance.randrange(16) if number % 3 else chance.randrange(len(content))
        content[place] ^= 1 << chance.randrange(8)
        (copy / LEDGER / DATA_NAME).write_bytes(content)
        outcome = opened(copy, keys)
        assert not outcome.refused, (place, outcome.refused)
        if any("was made anew" in note for note in outcome.notes):
            rebuilt += 1
            assert (copy / LEDGER / f"{DATA_NAME}.damaged-1").read_bytes() == content
        again = opened(copy, keys)
        assert (again.refused, again.notes) == ("", ()), "once is enough"
        shutil.rmtree(copy)
    assert rebuilt >= 2, "hardly a page was hit, so little was shown"


async def test_what_a_damaged_page_took_comes_back_from_a_peer(tmp_path: Path) -> None:
    folder, _ = await written(tmp_path)
    async with running(tmp_path, "a", "b") as (a, b):
        await until(lambda: a.health().fingerprint == b.health().fingerprint)
        whole = a.health().fingerprint
    spoil(folder / LEDGER / DATA_NAME)
    async with running(tmp_path, "b", "a") as (b, a):
        assert any("had a damaged page and was made anew" in note for note in a.notes)
        await until(lambda: a.health().fingerprint == whole)
        token = await put(a, "after", 1)
        assert await b.wait_until_covered(token, 10.0)
        assert a.health().held == b.health().held == 0


def spoil(file: Path) -> None:
    """Overwrite the headers of every third page but the first two."""
    content = bytearray(file.read_bytes())
    for start in range(2 * PAGE, len(content), 3 * PAGE):
        content[start + 8 : start + 16] = b"\xff" * 8
    file.write_bytes(content)


async def test_a_file_of_which_nothing_can_be_read_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    folder, keys = await written(tmp_path)
    junk = b"no database at all " * 1000
    (folder / LEDGER / DATA_NAME).write_bytes(junk)
    assert "damaged" in opened(folder, keys).refused
    assert (folder / LEDGER / DATA_NAME).read_bytes() == junk
