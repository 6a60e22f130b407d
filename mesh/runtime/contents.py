"""What a backup would show, read without putting it anywhere: for comparing it with what a living peer shows.

Invariant: nothing is written, and everything that is returned is of the one state in the backup.
"""

from pathlib import Path

from msgspec import Struct

from mesh.crdt.branches import WRITER_BYTES
from mesh.crdt.lines import Context, read_lines
from mesh.crdt.replica import Reader
from mesh.crdt.view import next_collection, scan_records
from mesh.ids import RecordId, WriterId
from mesh.model.collections import SHAPES
from mesh.model.fields import unflatten
from mesh.runtime.identity import load_node
from mesh.runtime.trust import KeyTrust
from mesh.storage.copies import read_only
from mesh.storage.environment import LEDGER_TABLES
from mesh.storage.opening import Shape

Shown = dict[RecordId, dict[str, object]]
Position = dict[WriterId, int]


class Contents(Struct, frozen=True):
    """The records that a backup shows, how many batches of each writer are in it, and which writers are the node's own."""

    records: Shown
    position: Position
    own: tuple[WriterId, ...]

    def collections(self) -> list[str]:
        """Every collection of which anybody may have a record."""
        return sorted({*SHAPES, *(record.collection for record in self.records)})


class Prospect(Struct, frozen=True):
    """What a backup lacks of what a peer has, which comes back by itself, and what it has and the peer does not.

    `own` are those of the lacking batches that the recovering node itself has signed, before it lost them. `missing`, `changed`
    and `extra` are records that the backup does not show, shows otherwise, and shows while the peer does not.
    """

    peer: str
    lacking: int
    own: int
    ahead: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    extra: tuple[str, ...]


def read_contents(backup: Path, folder: Path) -> Contents:
    """Read a backup for the node in `folder`. Raises UsageError, StorageError."""
    identity = load_node(folder)
    key = KeyTrust(identity).read_certificate(identity.certificate_der).key
    with read_only(backup, Shape(LEDGER_TABLES, identity.mesh, durable=True)) as reader:
        lines = read_lines(reader)
        own = dict.fromkeys(line.have.writer for line in lines.values() if line.key == key)
        return Contents(_shown(reader), Context(lines).token(), tuple(own))


def prospect(contents: Contents, peer: str, position: Position, shown: Shown) -> Prospect:
    """Compare a backup with what the peer of that name shows at its `position`."""
    lacking = {w: number - _reached(contents.position, w) for w, number in position.items()}
    ahead = {w: number - _reached(position, w) for w, number in contents.position.items()}
    both = contents.records.keys() & shown.keys()
    return Prospect(
        peer=peer,
        lacking=sum(number for number in lacking.values() if number > 0),
        own=sum(number for writer, number in lacking.items() if number > 0 and writer[:WRITER_BYTES] in contents.own),
        ahead=sum(number for number in ahead.values() if number > 0),
        missing=_names(shown.keys() - contents.records.keys()),
        changed=_names({record for record in both if contents.records[record] != shown[record]}),
        extra=_names(contents.records.keys() - shown.keys()),
    )


def _reached(position: Position, key: WriterId) -> int:
    """How far a position goes in a writer; of one whose branches only one side knows, the furthest."""
    if key in position:
        return position[key]
    return max((n for other, n in position.items() if other[:WRITER_BYTES] == key[:WRITER_BYTES]), default=0)


def _names(records: set[RecordId]) -> tuple[str, ...]:
    return tuple(map(str, sorted(records)))


def _shown(reader: Reader) -> Shown:
    found: Shown = {}
    collection = next_collection(reader)
    while collection is not None:
        for stored in scan_records(reader, collection):
            if stored.exists:
                found[stored.record] = unflatten(stored.fields())
        collection = next_collection(reader, collection)
    return found
