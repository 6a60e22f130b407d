"""What LMDB and the kernel say about a disk, in words for people.

Invariant: every failure of the disk leaves this package as a StorageError that names the place and what to do next.
"""

import errno
from pathlib import Path

import lmdb

from mesh.errors import StorageError

RESTORE = "Stop the node, move the directory away, and restore a backup or start empty: the peers send what they have."
FREE_SPACE = "Free some space; nothing that was acknowledged is lost, and the next write is tried as usual."
LARGER_MAP = "What is stored stays readable. Restart the node with a larger map: map_bytes under [storage] in the file of --config."
MAKE_WRITABLE = "Make it a directory on a writable disk that belongs to the user of the node, and restart the node."

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_UNREADABLE = (
    *(lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError, lmdb.PageNotFoundError),
    *(lmdb.IncompatibleError, lmdb.BadDbiError),
)


class UnreadableFile(StorageError):
    """The file is no database, is damaged, or is cut short."""


class NotWritable(StorageError):
    """The place can perhaps be read, and not be written: a read-only disk, or somebody else's directory."""


def explained(problem: lmdb.Error | OSError, path: Path) -> StorageError:
    """The StorageError that tells a person what `problem` means for the database or file at `path`."""
    match problem:
        case lmdb.MapFullError():
            return StorageError(f"{path} has reached the size that was reserved for it. {LARGER_MAP}")
        case lmdb.PanicError():
            return StorageError(
                f"{path} can't be written any more after an earlier error of the disk. Restart the node."
            )
        case lmdb.ReadersFullError():
            return StorageError(
                f"{path} has no room for another reader: some program holds very many open. "
                "Those of dead processes were taken away now; try again, and end what reads the file from outside."
            )
        case lmdb.BadValsizeError():
            return StorageError(
                f"{path} takes keys of 1 to 511 bytes, and one was empty or longer. Report this as a fault."
            )
        case lmdb.Error() if isinstance(problem, _UNREADABLE):
            return UnreadableFile(f"{path} is not a database of the mesh, or it is damaged ({problem}). {RESTORE}")
        case lmdb.Error():
            number = getattr(problem, "code", 0)  # The binding's own complaints carry none.
            return _by_number(number, str(problem), path)
        case OSError():
            return _by_number(problem.errno or 0, problem.strerror or str(problem), path)


def _by_number(number: int, said: str, path: Path) -> StorageError:
    if number in _NO_ROOM:
        return StorageError(f"there is no room on the disk of {path} ({said}). {FREE_SPACE}")
    if number in _FORBIDDEN:
        return NotWritable(f"{path} may not be written ({said}). {MAKE_WRITABLE}")
    if number == errno.EIO:  # LMDB's word for a write that was cut short, too.
        return StorageError(
            f"the disk of {path} is full or failing ({said}). {FREE_SPACE} If there is room, replace the disk."
        )
    return StorageError(f"{path} can't be used: {said}. Mend that and restart the node.")
