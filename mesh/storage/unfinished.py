"""Directories that are made beside the place where they shall go, and those that a killed process left there.

Invariant: who makes one holds a lock on it (flock), which the kernel drops however that process ends; what is not locked, is called
as these are and holds nothing but the files of a database is nobody's, and is swept away.
"""

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mesh.errors import StorageError
from mesh.storage.files import DATA_NAME, LOCK_NAME

FILES = frozenset((DATA_NAME, LOCK_NAME, "lock.mdb", "open", "backup.json", "backup.json.new"))
NAME = re.compile(r"\..+\.[0-9a-f]{8}")
TRIES = 8


@contextmanager
def fresh_directory(parent: Path, name: str) -> Iterator[Path]:
    """A new directory beside the place `parent / name`; removed at the end unless it was renamed.

    What earlier ones left there is swept away. Raises StorageError.
    """
    _make(parent)
    sweep_unfinished(parent)
    made, lock = _claim(parent, name)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(lock)


def sweep_unfinished(parent: Path) -> list[Path]:
    """Remove what processes that were killed left in `parent`. Returns what was removed."""
    swept: list[Path] = []
    for path in sorted(parent.glob(".*")) if parent.is_dir() else []:
        if NAME.fullmatch(path.name) and _holds_only_ours(path) and (lock := _lock(path)) is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)
            swept += [] if path.exists() else [path]
    return swept


def _claim(parent: Path, name: str) -> tuple[Path, int]:
    """Make the directory and lock it. Whoever sweeps may be faster; then another one is made."""
    for _ in range(TRIES):
        made = parent / f".{name}.{secrets.token_hex(4)}"
        _make(made)
        lock = _lock(made)
        if lock is not None and made.is_dir():
            return made, lock
        if lock is not None:
            os.close(lock)
    raise StorageError(f"no directory could be kept in {parent}: something removes them. Name another place.")


def _holds_only_ours(path: Path) -> bool:
    try:
        return path.is_dir() and not path.is_symlink() and FILES.issuperset(os.listdir(path))
    except OSError:
        return False


def _lock(path: Path) -> int | None:
    """A descriptor that holds the lock; None where somebody else does, or the directory is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as problem:
        raise StorageError(
            f"{path} can't be made: {problem.strerror}. Name a directory that this user may write."
        ) from problem
