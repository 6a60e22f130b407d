"""What goes wrong on a disk is told in words that say what to do.

Invariant: every error names its place.
"""

import errno
import os
from pathlib import Path

import lmdb
import pytest

from mesh.storage.faults import UnreadableFile, explained

PLACE = Path("the-disk/ledger")


def by_lmdb(number: int) -> lmdb.Error:
    """An error as the library raises it; one made by hand has no number."""
    problem = lmdb.Error(f"mdb_txn_commit: {os.strerror(number)}")
    vars(problem)["code"] = number
    return problem


@pytest.mark.parametrize(
    ("number", "todo"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EDQUOT, "Free some space"),
        (errno.EROFS, "a writable disk"),
        (errno.EACCES, "a writable disk"),
        (errno.EIO, "replace the disk"),
        (errno.ENOTDIR, "restart the node"),
    ],
)
def test_the_kernel_and_lmdb_are_understood_alike(number: int, todo: str) -> None:
    for problem in (OSError(number, os.strerror(number)), by_lmdb(number)):
        said = str(explained(problem, PLACE))
        assert todo in said
        assert str(PLACE) in said


@pytest.mark.parametrize(
    ("problem", "todo"),
    [
        (lmdb.MapFullError("mdb_put"), "with a larger map"),
        (lmdb.PanicError("mdb_txn_begin"), "Restart the node"),
        (lmdb.ReadersFullError("mdb_txn_begin"), "try again"),
        (lmdb.BadValsizeError("mdb_put"), "1 to 511 bytes"),
        (lmdb.CorruptedError("mdb_get"), "restore a backup"),
        (lmdb.Error("without a number"), "restart the node"),
    ],
)
def test_lmdb_is_understood(problem: lmdb.Error, todo: str) -> None:
    said = str(explained(problem, PLACE))
    assert todo in said
    assert str(PLACE) in said


def test_only_a_damaged_file_may_be_set_aside() -> None:
    assert isinstance(explained(lmdb.InvalidError("mdb_env_open"), PLACE), UnreadableFile)
    assert not isinstance(explained(by_lmdb(errno.ENOSPC), PLACE), UnreadableFile)
