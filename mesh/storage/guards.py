"""A small file beside the database that notices when the database is not the one that was closed last (DESIGN §4, eras).

Invariant: the guard never counts more opens than the database it was written for, so a database that counts fewer was rolled back.

At each start: `verdict = guard.check(n)` with the counter `n` in the database; then store `guard.next_count(n)` in the database,
durably; then `guard.advance(…)` with the same number; all of it before the first write of the node. A crash between the last two
leaves the database one ahead, which is no offence (at the very first open it costs an era).

A file is known by its inode's number and, because a file system gives the number of a removed file to the next one, by the inode's
generation. What the guard can't see is a file that is overwritten in place with a copy made since its last open; the peers, who
know the node's own head, see that.
"""

import fcntl
import os
import struct
from enum import Enum
from pathlib import Path

import msgspec
from msgspec import Struct

from mesh.errors import StorageError
from mesh.storage.faults import explained
from mesh.storage.files import replace_file


class Verdict(Enum):
    """What the guard found. The value is the reason, for people."""

    FRESH = "neither the database nor its guard has been opened before"
    SAME = "the database is the one that was open last"
    ROLLED_BACK = "the database has been opened fewer times than its guard: it was restored, or made anew"
    AHEAD = "the database has been opened more times than its guard: one of the two comes from elsewhere"
    UNGUARDED = "the database has been opened before, and its guard is missing or unreadable: it was copied"
    MOVED = "the database is not where it was, or is another file: it was copied or restored"

    @property
    def keeps_era(self) -> bool:
        """Whether the node may go on as the writer that it was."""
        return self in (Verdict.FRESH, Verdict.SAME)


GET_GENERATION = 0x80087601  # FS_IOC_GETVERSION of linux/fs.h on 64-bit machines: ext4, XFS and btrfs answer it.


class _Mark(Struct, frozen=True):
    opens: int
    place: str
    inode: int
    generation: int | None = None  # None: the file system tells none, or the mark is older than this field.


class Guard:
    """The guard file at `path`, for the database file `database`. Keep it out of the database's directory and of backups."""

    def __init__(self, path: Path, database: Path) -> None:
        self._path = path
        self._database = database

    def check(self, counter_in_db: int) -> Verdict:
        """Compare the guard with a database that counts `counter_in_db` opens, 0 if it is new. Changes nothing.

        Raises StorageError if one of the files can't be read.
        """
        mark = self._mark()
        if mark is None:
            return Verdict.UNGUARDED if counter_in_db else Verdict.FRESH
        if counter_in_db < mark.opens:
            return Verdict.ROLLED_BACK
        if counter_in_db > mark.opens + 1:
            return Verdict.AHEAD
        same = (mark.place, mark.inode) == (self._place(), self._inode())
        reused = mark.generation is not None and mark.generation != self._generation()
        return Verdict.SAME if same and not reused else Verdict.MOVED

    def next_count(self, counter_in_db: int) -> int:
        """The number of this open: more than both sides have counted."""
        mark = self._mark()
        return max(counter_in_db, mark.opens if mark else 0) + 1

    def advance(self, count: int) -> None:
        """Write down, durably, that the database counts `count` opens and where it is. Raises StorageError."""
        mark = _Mark(count, self._place(), self._inode(), self._generation())
        replace_file(self._path, msgspec.json.encode(mark))

    def _mark(self) -> _Mark | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Mark)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            return None
        except OSError as problem:
            raise explained(problem, self._path) from problem

    def _place(self) -> str:
        return os.path.realpath(self._database)

    def _inode(self) -> int:
        try:
            return self._database.stat().st_ino
        except FileNotFoundError as problem:
            raise StorageError(f"{self._database} is not there. Open the database before its guard.") from problem
        except OSError as problem:
            raise explained(problem, self._database) from problem

    def _generation(self) -> int | None:
        try:
            descriptor = os.open(self._database, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as problem:
            raise explained(problem, self._database) from problem
        try:
            (generation,) = struct.unpack("<q", fcntl.ioctl(descriptor, GET_GENERATION, bytes(8)))
        except OSError:  # tmpfs and others have none; they don't give a number twice in a hurry.
            return None
        finally:
            os.close(descriptor)
        return int(generation)
