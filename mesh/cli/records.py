"""Commands on records: get, put, patch, bury, restore, list.

Invariant: each makes one request of one peer; a value is read and checked as JSON before anything is sent.
"""

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from mesh.cli.options import DEFAULT, Common
from mesh.cli.output import compact, counted, note, show_json, show_table, show_text
from mesh.errors import UsageError

if TYPE_CHECKING:
    from mesh.client import Record
    from mesh.runtime.rows import Receipt

Value = Annotated[str, Parameter(allow_leading_hyphen=True)]  # A lone - is stdin.
Reason = Annotated[str, Parameter(name=["--reason", "-m"])]
Expect = Annotated[tuple[str, ...], Parameter(name=["--expect", "--if-version"], negative="")]
Where = Annotated[tuple[str, ...], Parameter(negative="")]
Arguments = Annotated[str, Parameter(allow_leading_hyphen=True)]


async def get(collection: str, key: str, *, after: str = "", common: Common = DEFAULT) -> None:
    """Show one record: its value, who changed it last, and what is in conflict.

    Parameters
    ----------
    collection
        Such as unit, dataset, template, variable.
    key
        Such as BTF/DIPOLE/DHSTB001.
    after
        A token from an earlier answer: wait until the peer has that.
    """
    async with common.client() as client:
        record = await client.get(collection, key, after=after)
    if common.json:
        return show_json(record)
    show_json(record.value)
    note(f"changed by {record.changed.author} at {moment(record.changed.at)}; version {record.version}")
    for conflict in record.conflicts:
        held = (
            f", and by its policy ({conflict.policy}) nothing is shown until it is settled" if conflict.withheld else ""
        )
        note(f"! {conflict.field} is in conflict{held}; `mesh conflicts` and `mesh resolve` settle it:")
        for value in conflict.values:
            said = "(cleared)" if value.cleared else compact(value.value)
            note(f"    {said} by {value.author} at {moment(value.at)}{' (shown)' if value.shown else ''}")
    return None


async def put(
    collection: str, key: str, value: Value, *, reason: Reason = "", expect: Expect = (), common: Common = DEFAULT
) -> None:
    """Make a record exactly VALUE: fields that it does not name are cleared.

    Parameters
    ----------
    value
        A JSON object; - reads it from stdin, @FILE from a file.
    reason
        Why; it is kept with the change.
    expect
        What has to be there still, or nothing is changed: a version as `mesh get` prints it, `absent`, token=TOKEN, or
        FIELD=DOT,… with the live changes of a field (FIELD= where it has none).
    """
    given = read_value(value)
    async with common.client() as client:
        tell(await client.put(collection, key, given, reason=reason, expect=read_expect(expect)), common)


async def patch(
    collection: str,
    *arguments: Arguments,
    where: Where = (),
    dry_run: bool = False,
    intent: str = "",
    reason: Reason = "",
    expect: Expect = (),
    common: Common = DEFAULT,
) -> None:
    """Merge a value into a record (KEY VALUE), or with --where set fields of many records (FIELD=VALUE …). null clears.

    Many records are changed in a sequence of batches under one intent: each record whole or not at all, all of them together not.
    What stopped half-way goes on with --intent.

    Parameters
    ----------
    arguments
        KEY and a JSON object (- reads it from stdin, @FILE from a file); with --where, FIELD=VALUE, where VALUE is JSON or a text.
    where
        prefix=KEY…, text=TEXT, label.NAME=VALUE or FIELD=VALUE; a record has to fulfil all of them.
    dry_run
        With --where: show which records would be changed, and change nothing.
    intent
        With --where: go on with this undertaking; its id was printed when it began.
    reason
        Why; it is kept with the change.
    expect
        What has to be there still, as in `mesh put`.
    """
    from mesh.cli.bulk import Asked, carry_out, read_fields, read_where
    from mesh.client.bulk import patching

    if where:
        asked = Asked("patch", collection, read_where(where), intent, reason, dry_run)
        return await carry_out(asked, patching(read_fields(arguments)), common)
    if len(arguments) != 2 or dry_run or intent:
        raise UsageError("KEY and VALUE were expected, or --where and FIELD=VALUE", todo="see mesh patch --help")
    key, value = arguments
    given = read_value(value)
    async with common.client() as client:
        return tell(await client.patch(collection, key, given, reason=reason, expect=read_expect(expect)), common)


async def bury(
    collection: str,
    key: str = "",
    *,
    where: Where = (),
    dry_run: bool = False,
    intent: str = "",
    reason: Reason = "",
    expect: Expect = (),
    common: Common = DEFAULT,
) -> None:
    """Hide a record, or with --where many. Nothing of it is lost: `mesh restore` shows it again.

    Parameters
    ----------
    where
        Which records, instead of a key; as in `mesh patch`.
    dry_run
        With --where: show which records would be buried, and change nothing.
    intent
        With --where: go on with this undertaking; its id was printed when it began.
    expect
        What has to be there still, as in `mesh put`.
    """
    from mesh.cli.bulk import Asked, carry_out, read_where
    from mesh.client.bulk import burying

    if bool(key) == bool(where) or (key and (dry_run or intent)):
        raise UsageError("either a key or --where was expected", field="key", todo="see mesh bury --help")
    if where:
        asked = Asked("bury", collection, read_where(where), intent, reason, dry_run)
        return await carry_out(asked, burying, common)
    async with common.client() as client:
        return tell(await client.bury(collection, key, reason=reason, expect=read_expect(expect)), common)


async def restore(
    collection: str, key: str, *, reason: Reason = "", expect: Expect = (), common: Common = DEFAULT
) -> None:
    """Show a buried record again.

    Parameters
    ----------
    expect
        What has to be there still, as in `mesh put`.
    """
    async with common.client() as client:
        tell(await client.restore(collection, key, reason=reason, expect=read_expect(expect)), common)


def read_expect(given: tuple[str, ...]) -> dict[str, object] | None:
    """What `--expect` says, as the API takes it; None where nothing is expected."""
    fields: dict[str, object] = {}
    expect: dict[str, object] = {}
    for text in given:
        name, sign, value = text.rpartition("=")
        if name == "token":
            expect["token"] = value
        elif sign:
            fields[name] = [dot for dot in value.split(",") if dot]
        else:
            expect |= {"absent": True} if text == "absent" else {"version": text}
    return (expect | ({"fields": fields} if fields else {})) or None


async def list_(
    collection: str,
    *,
    prefix: str = "",
    label: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    text: str = "",
    buried: bool = False,
    common: Common = DEFAULT,
) -> None:
    """List the records of a collection.

    Parameters
    ----------
    prefix
        Only keys that start with this.
    label
        NAME=VALUE; several labels must all be there.
    text
        Only records that hold this text, whatever its case.
    buried
        List the buried records instead.
    """
    labels = dict(_label(given) for given in label)
    async with common.client() as client:
        records = await client.records(collection, prefix=prefix, labels=labels, text=text, buried=buried, limit=1000)
    if common.json:
        return show_json(records)
    show_table(("key", "changed", "by", "conflicts", "value"), [_row(record) for record in records])
    return note(counted(len(records), "record"))


def read_value(given: str) -> dict[str, object]:
    """The JSON object that an argument gives, names, or leaves to stdin. Raises UsageError, with the place of a fault."""
    try:
        raw = sys.stdin.buffer.read() if given == "-" else _file(given) if given.startswith("@") else given.encode()
        return msgspec.json.decode(raw, type=dict[str, object])
    except OSError as error:
        raise UsageError(f"{given[1:]}: {error.strerror}", field="value", todo="name a file that can be read") from None
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise UsageError(
            f"a JSON object was expected, {given[:60]!r} came: {error}",
            field="value",
            todo='quote it for the shell, as in \'{"desired": "START"}\'',
        ) from None


def _file(given: str) -> bytes:
    return Path(given[1:]).read_bytes()


def _label(given: str) -> tuple[str, str]:
    name, sign, value = given.partition("=")
    if not sign or not name:
        raise UsageError(f"a label NAME=VALUE was expected, {given!r} came", field="--label", todo="write zone=BTF")
    return name, value


def _row(record: "Record") -> tuple[str, ...]:
    conflicts = ", ".join(conflict.field for conflict in record.conflicts)
    return record.key, moment(record.changed.at), record.changed.author, conflicts, compact(record.value)


def tell(receipt: "Receipt", common: Common) -> None:
    """Say what became of a write."""
    if common.json:
        show_json(receipt)
    else:
        show_text(f"stored as {receipt.dot or receipt.batch}" if receipt.changed else "nothing to change")


def moment(seconds: float) -> str:
    """A moment in local time, to the second."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
