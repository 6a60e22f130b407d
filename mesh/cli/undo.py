"""`mesh undo`: taking back what one author wrote in a window.

Invariant: what is printed as kept is what the peer kept, with the later work that stands in the way.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mesh.cli.options import Common
from mesh.cli.output import compact, complain, counted, note, show_json, show_table
from mesh.cli.past import NOW, read_moment
from mesh.cli.records import Reason, moment
from mesh.errors import StorageError

if TYPE_CHECKING:
    from mesh.client.answers import KeptLine, Piece, Undo, UndoLine

BROKEN_OFF = 1
SHOWN_MAX = 1_000


@Parameter(name="*")
@dataclass(frozen=True)
class Signed(Common):
    """The options of every command, but `--author` says whose writes are meant."""

    author: Annotated[str, Parameter(name="--as", env_var="MESH_AUTHOR")] = ""
    """In whose name it is taken back. [default: the user's name]"""


async def undo(
    *,
    author: str,
    from_: Annotated[str, Parameter(name="--from")],
    to: str = NOW,
    collection: str = "",
    prefix: str = "",
    key: str = "",
    preview: Annotated[bool, Parameter(negative="")] = False,
    intent: str = "",
    reason: Reason = "",
    common: Signed = Signed(),
) -> int:
    """Take back what an author wrote in a window. What others have written since stays, and is listed.

    Parameters
    ----------
    author
        Whose writes.
    from_
        A time such as 2026-11-21T09:30 (local, unless it has an offset), or seconds since 1970.
    to
        The same; now, where it is left out.
    collection
        Only records of this collection.
    prefix
        Only keys that start with this.
    key
        Only this record.
    preview
        Show what would change and what would be kept, and change nothing.
    intent
        To go on with an undo that was broken off: the intent that it printed.
    reason
        Why; it is kept with the changes.
    """
    given: dict[str, object] = {"collection": collection, "prefix": prefix, "key": key, "preview": preview}
    given |= {"reason": reason, "intent": intent, "limit": SHOWN_MAX}
    if to != NOW:
        given["until"] = read_moment(to)
    async with common.client() as client:
        found = await client.undo(author, read_moment(from_), **given)
    if common.json:
        show_json(found)
        return BROKEN_OFF if found.fault else 0
    return _tell(found, preview)


def _tell(found: "Undo", preview: bool) -> int:
    if found.items:
        columns = ("record", "field", "taken back", "written", "comes back", "by")
        show_table(columns, [_row(row) for row in found.items])
    if found.kept_items:
        columns = ("record", "field", "kept", "because", "by", "when")
        show_table(columns, [_kept(row) for row in found.kept_items], title="Kept")
    would = "would change" if preview else "to change"
    note(
        f"{counted(found.changes, 'field')} of {counted(found.records, 'record')} {would}, {found.kept} kept; "
        f"{counted(len(found.batches), 'batch')} made"
    )
    note(f"intent: {found.intent}; window: {found.since:.3f} to {found.until:.3f}")
    if found.fault:
        complain(StorageError(f"it was broken off: {found.fault}; give the same --from, --to and --intent to go on"))
        return BROKEN_OFF
    return 0


def _row(row: "UndoLine") -> tuple[str, ...]:
    comes = _said(row.back) if row.back is not None else f"({row.does})"
    comes = f"{comes} (of several in conflict)" if row.lossy else comes
    by = row.back.author if row.back is not None else ""
    return f"{row.collection} {row.key}", row.field, _said(row.undone), moment(row.undone.at), comes, by


def _kept(row: "KeptLine") -> tuple[str, ...]:
    by, when = (row.by.author, moment(row.by.at)) if row.by is not None else ("", "")
    reason = f"{row.reason} by {by}" if row.reason == "later work" else row.reason
    return f"{row.collection} {row.key}", row.field, _said(row.undone), reason, by, when


def _said(piece: "Piece") -> str:
    return compact(piece.value, 40) if piece.kind == "put" else f"({piece.kind})"
