"""Walking the pages of a file that a node is using, from a process of its own: `python -m mesh.storage.walk DIRECTORY`.

Invariant: the file is read and never written; if what stands in it ends a process, it is this one.

The process is one more reader of the file, so pages that were given up meanwhile are not reused under the walk (lmdb.h, "reader
slots"). What is found is looked for twice, because a commit may write a meta page at that very moment. It prints what it found, one
line each; nothing: every page is as it has to be.
"""

import os
import sys
from pathlib import Path

import lmdb

from mesh.errors import StorageError
from mesh.storage.opening import verify_structure

NICENESS = 10
TABLES_MAX = 64


def walk(path: Path) -> str:
    """What is wrong with a page of the file in directory `path`, which may be in use; empty where nothing is."""
    found = ""
    for _ in range(2):
        found = _look(path)
        if not found:
            break
    return found


def _look(path: Path) -> str:
    try:
        environment = lmdb.open(str(path), readonly=True, lock=True, create=False, max_dbs=TABLES_MAX, lib_version=0)
    except lmdb.Error as problem:
        return str(problem)
    try:
        with environment.begin():
            verify_structure(path)
    except lmdb.Error as problem:
        return str(problem)
    except StorageError as problem:
        return str(problem)
    finally:
        environment.close()
    return ""


def main() -> None:
    """Walk the file that the command line names."""
    os.nice(NICENESS)
    found = walk(Path(sys.argv[1]))
    if found:
        sys.stdout.write(found + "\n")


if __name__ == "__main__":
    main()
