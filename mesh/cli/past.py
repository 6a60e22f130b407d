"""Commands on the past of a record: history, blame, show, diff, revert.

Invariant: a time without an offset is the user's local time, and reaches the peer as seconds since 1970.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mesh.cli.options import DEFAULT, Common
from mesh.cli.output import compact, counted, note, show_json, show_table, show_text
from mesh.cli.records import Reason, moment, tell

if TYPE_CHECKING:
    from mesh.client import MeshClient
    from mesh.client.answers import BlameLine, FieldDiff, PastChange, RecordThen, RevokedLine

NOW = "now"
SIGNS = {"added": "+", "removed": "-", "changed": "~"}
STYLES = {"added": "green", "removed": "red", "changed": "yellow"}


async def history(
    collection: str,
    key: str,
    *,
    limit: int = 200,
    before: str = "",
    all_: Annotated[bool, Parameter(name="--all", negative="")] = False,
    common: Common = DEFAULT,
) -> None:
    """Show the changes of a record, oldest first.

    Parameters
    ----------
    limit
        The newest so many, at most 1000.
    before
        Only those before a page that was shown: the cursor that it ended with.
    all_
        All that there are, page by page.
    """
    from mesh.client.answers import History

    async with common.client() as client:
        if all_:
            rows = await client.changes(collection, key)
            found = History(rows, total=len(rows))
        else:
            found = await client.history(collection, key, limit=limit, before=before)
    if common.json:
        return show_json(found)
    show_table(
        ("when", "by", "at peer", "field", "change", "reason", "batch is", "dot"), [_past(row) for row in found.items]
    )
    older = f"; older ones: --before {found.next}, or --all" if found.next else ""
    return note(f"{len(found.items)} changes of {found.total}{older}")


async def blame(collection: str, key: str, *, common: Common = DEFAULT) -> None:
    """Show who wrote each shown field of a record, when and why."""
    async with common.client() as client:
        found = await client.blame(collection, key)
    if common.json:
        return show_json(found)
    rows = [_blamed(row) for row in found.items]
    show_table(("field", "value", "by", "at peer", "when", "reason", "dot"), rows)
    if found.revoked:
        note("taken back by an end:")
        columns = ("field", "was", "by", "at peer", "when", "revoked", "dot")
        show_table(columns, [_revoked(row) for row in found.revoked])
    return note("the record is buried") if found.buried else None


async def show(collection: str, key: str, *, as_of: str = NOW, common: Common = DEFAULT) -> None:
    """Show a record as it was.

    Parameters
    ----------
    as_of
        A token from an earlier answer, or a time such as 2026-11-21T09:30 (local, unless it has an offset).
    """
    async with common.client() as client:
        then = await client.show_at(collection, key, await _asked(client, as_of))
    if common.json:
        return show_json(then)
    if then.standing != "none":
        show_json(then.value)
    return note(_standing(then))


async def diff(collection: str, key: str, a: str, b: str = NOW, *, common: Common = DEFAULT) -> None:
    """Show what differs in a record between two moments.

    Parameters
    ----------
    a
        A token from an earlier answer, or a time such as 2026-11-21T09:30 (local, unless it has an offset).
    b
        The same; now, where it is left out.
    """
    async with common.client() as client:
        found = await client.diff(collection, key, await _asked(client, a), await _asked(client, b))
    if common.json:
        return show_json(found)
    for field in found.fields:
        show_text(difference(field), STYLES.get(field.kind, ""))
    note(f"a: {_standing(found.a)}")
    note(f"b: {_standing(found.b)}")
    return note(f"{counted(len(found.fields), 'field')} changed")


async def revert(
    collection: str,
    key: str,
    *,
    to: str,
    reason: Reason = "",
    common: Common = DEFAULT,
) -> None:
    """Make a record what it was, as a new change. What did not exist then is buried.

    Parameters
    ----------
    to
        A token from an earlier answer, or a time such as 2026-11-21T09:30 (local, unless it has an offset).
    reason
        Why; it is kept with the change.
    """
    async with common.client() as client:
        tell(await client.revert(collection, key, read_moment(to), reason=reason), common)


def read_moment(given: str) -> str | float:
    """Seconds since 1970 where a number or a time was typed; anything else as it is, for the peer to read as a token."""
    try:
        return float(given)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(given).timestamp()
    except (ValueError, OverflowError):
        return given


async def _asked(client: "MeshClient", given: str) -> str | float:
    """`now` is all that the peer has, whatever the clocks of those who wrote it say."""
    return (await client.health()).token if given == NOW else read_moment(given)


def difference(field: "FieldDiff") -> str:
    """A field that differs, on one line."""
    values = {"added": compact(field.b), "removed": compact(field.a)}
    said = values.get(field.kind) or f"{compact(field.a)} -> {compact(field.b)}"
    return f"{SIGNS.get(field.kind, '?')} {field.field}: {said}"


def _standing(then: "RecordThen") -> str:
    if then.changed is None:
        return "it did not exist"
    word = "buried; last" if then.standing == "buried" else "last"
    return f"{word} changed by {then.changed.author} at {moment(then.changed.at)}"


def _blamed(row: "BlameLine") -> tuple[str, ...]:
    field = f"! {row.field}" if row.conflict else row.field
    return field, compact(row.value, 60), row.author, row.peer, moment(row.at), row.reason, row.dot


def _revoked(row: "RevokedLine") -> tuple[str, ...]:
    was = compact(row.value, 60) if row.kind == "put" else f"({row.kind})"
    said = f"by {row.end.author} at {moment(row.end.at)}: {row.end.reason}" if row.end is not None else ""
    return row.field, was, row.author, row.peer, moment(row.at), said, row.dot


def _past(row: "PastChange") -> tuple[str, ...]:
    change = compact(row.value, 60) if row.kind == "put" else f"({row.kind})"
    return moment(row.at), row.author, row.peer, row.field, change, row.reason, row.batch_standing, row.dot
