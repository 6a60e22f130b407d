"""Small plain files that survive a power cut, and the lock that keeps a directory for one process.

Invariant: a file written here is there whole or as it was before; a lock is held exactly as long as its descriptor is open.
"""

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from mesh.errors import StorageError
from mesh.storage.faults import explained

LOCK_NAME = "in-use"
DATA_NAME = "data.mdb"
PID_BYTES_MAX = 32


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make the bytes of a file that was written elsewhere durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path`, durably, all or nothing. Raises StorageError; `path` is then as it was."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        with open(fresh, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
        sync_directory(path.parent)
    except OSError as problem:
        raise explained(problem, path) from problem


class DirectoryLock:
    """An advisory lock on a directory (flock). The kernel drops it when the process ends, however it ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, directory: Path) -> Self:
        """Lock `directory`. Raises StorageError that names the process which holds it already."""
        path = directory / LOCK_NAME
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            raise explained(problem, directory) from problem
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            holder = os.pread(descriptor, PID_BYTES_MAX, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise _refusal(problem, directory, holder) from problem
        with suppress(OSError):  # A full disk: the lock holds all the same, and only the name of its holder is missing.
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        return cls(descriptor)

    @classmethod
    def take_read_only(cls, directory: Path) -> Self | None:
        """Lock a directory that can't be written. None: it has no lock file, so no node has ever opened it for writing here.

        Raises StorageError that names the process which holds it already.
        """
        try:
            descriptor = os.open(directory / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            holder = os.pread(descriptor, PID_BYTES_MAX, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise _refusal(problem, directory, holder) from problem
        return cls(descriptor)

    def release(self) -> None:
        """Give the directory back. Closing is all it takes: an explicit unlock in a forked child would free the parent's."""
        os.close(self._descriptor)


def _refusal(problem: OSError, directory: Path, holder: str) -> StorageError:
    if problem.errno in (errno.EAGAIN, errno.EACCES):
        who = f"process {holder}" if holder else "another process"
        return StorageError(
            f"{directory} is in use by {who}. Stop that one first, or give this node a directory of its own."
        )
    return explained(problem, directory)
