"""Small files are replaced whole, and a lock is one process's.

Invariant: what can't be written or locked is a StorageError.
"""

from pathlib import Path

import pytest

from mesh.errors import StorageError
from mesh.storage.files import DirectoryLock, replace_file


def test_a_file_is_replaced_and_leaves_nothing_behind(tmp_path: Path) -> None:
    for content in (b"one", b"two"):
        replace_file(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="can't be used"):
        replace_file(tmp_path / "missing" / "file", b"")


def test_a_lock_is_free_again_after_release(tmp_path: Path) -> None:
    for _ in range(2):
        lock = DirectoryLock.take(tmp_path)
        with pytest.raises(StorageError, match="is in use by process"):
            DirectoryLock.take(tmp_path)
        lock.release()
