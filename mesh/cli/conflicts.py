"""Commands on what people changed without knowing of each other: conflicts, resolve.

Invariant: what is printed for a value is enough to settle with it: its field and its dot.
"""

from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from mesh.cli.options import DEFAULT, Common
from mesh.cli.output import compact, counted, note, show_json, show_table
from mesh.cli.records import Reason, moment, tell
from mesh.errors import UsageError

if TYPE_CHECKING:
    from mesh.client.answers import FieldConflict, Unsettled, Version

Json = Annotated[str | None, Parameter(allow_leading_hyphen=True)]


async def conflicts(collection: str = "", *, prefix: str = "", common: Common = DEFAULT) -> None:
    """List every field with concurrent values that differ, and every edit made to a record while it was being buried.

    Parameters
    ----------
    collection
        Such as unit; all collections where it is left out.
    prefix
        Only keys that start with this.
    """
    async with common.client() as client:
        found = await client.conflicts(collection, prefix=prefix)
    if common.json:
        return show_json(found)
    columns = ("record", "field", "seen", "", "value", "by", "at peer", "when", "dot")
    show_table(columns, [row for record in found for row in rows(record)])
    return note(counted(len(found), "record") + (": settle a field with `mesh resolve … --seen …`" if found else ""))


async def resolve(
    collection: str,
    key: str,
    field: str,
    *,
    seen: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    take: str = "",
    value: Json = None,
    reason: Reason = "",
    common: Common = DEFAULT,
) -> None:
    """Settle a field in conflict, with the value of one of its changes or with another one.

    Parameters
    ----------
    field
        As `mesh conflicts` prints it, such as desired or labels.zone.
    seen
        What was looked at: the version that `mesh conflicts` prints for the field, or the dots of all its values. Where there is
        another value meanwhile, nothing is changed.
    take
        The dot of the change whose value shall stay.
    value
        A JSON value; null clears the field.
    reason
        Why; it is kept with the change.
    """
    if bool(take) == (value is not None):
        raise UsageError("either --take DOT or --value JSON was expected", field="--take", todo="give one of the two")
    if not seen:
        raise UsageError(
            "--seen was expected: what you looked at, so that no value is settled that you have not seen",
            field="--seen",
            todo="`mesh conflicts` prints it for each field",
        )
    place, looked_at = (collection, key, field), [dot for given in seen for dot in given.split(",")]
    async with common.client() as client:
        if value is None:
            receipt = await client.take(place, take, seen=looked_at, reason=reason)
        else:
            receipt = await client.settle(place, read_json(value), seen=looked_at, reason=reason)
    tell(receipt, common)


def read_json(given: str) -> object:
    """The JSON value in an argument. Raises UsageError."""
    try:
        return msgspec.json.decode(given.encode())
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise UsageError(
            f"a JSON value was expected, {given[:60]!r} came: {error}",
            field="--value",
            todo="quote it for the shell: '\"START\"' is a text, 5 a number",
        ) from None


def rows(record: "Unsettled") -> list[tuple[str, ...]]:
    """A line of the table for each value, and for each bury and each edit that it did not see."""
    name = f"{record.collection} {record.key}"
    conflict = [
        (name, one.field, one.version, _shown(one, value), *_cells(value))
        for one in record.conflicts
        for value in one.values
    ]
    late = [(name, value.field, "", "edited while buried", *_cells(value)) for value in record.late]
    buries = [(name, "", "", "buried", *_cells(value)) for value in record.buries] if late else []
    return [*conflict, *buries, *late]


def _shown(conflict: "FieldConflict", value: "Version") -> str:
    if conflict.withheld:
        return f"withheld ({conflict.policy})"
    if not value.shown:
        return "or"
    rule = f" ({conflict.policy})" if conflict.policy not in ("", "show-latest") else ""
    return f"shown{rule}{f', though {conflict.mark}' if conflict.mark else ''}"


def _cells(value: "Version") -> tuple[str, ...]:
    said = compact(value.value, 60) if value.kind == "put" else f"({value.kind})"
    return said, value.author, value.peer, moment(value.at), value.dot
