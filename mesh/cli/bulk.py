"""Changes of many records, as the command line asks for them: `patch --where`, `bury --where`, and `mesh intent`.

Invariant: the id of an undertaking is printed before anything is changed, so that whatever stops it, it can be resumed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from mesh.cli.options import DEFAULT, Common
from mesh.cli.output import counted, note, show_json, show_table, show_text
from mesh.cli.records import moment
from mesh.client.bulk import Decide, Progress, Report, Undertaking, Where, new_intent
from mesh.errors import Refused, UsageError
from mesh.model.fields import flatten, unflatten

if TYPE_CHECKING:
    from mesh.client.transaction_answers import IntentBatch

LABEL = "label."


class Asked(Struct, frozen=True):
    """What a person asks for: which records of which collection, and on which undertaking to go on."""

    verb: str
    collection: str
    where: Where
    intent: str = ""
    reason: str = ""
    dry_run: bool = False


async def carry_out(asked: Asked, decide: Decide, common: Common) -> None:
    """Do it, or with `dry_run` show it."""
    intent = asked.intent or new_intent(asked.verb)
    async with common.client() as client:
        if asked.dry_run:
            _, report = await Undertaking(client, intent, asked.reason).plan(asked.collection, asked.where, decide)
            return _show(asked, report, common)
        note(
            f"intent {intent}: each batch is whole, all of them together are not; if it stops, go on with --intent {intent}"
        )
        with progressing(f"{asked.verb} {asked.collection}") as progress:
            work = Undertaking(client, intent, asked.reason, progress)
            report = await work.run(asked.collection, asked.where, decide)
    _show(asked, report, common)
    if report.refused:
        raise Refused(
            f"{counted(len(report.refused), 'record')} could not be changed",
            field="--where",
            todo=f"correct them, and run it again with --intent {intent}",
        )
    return None


@contextmanager
def progressing(what: str) -> Iterator[Progress]:
    """A bar on stderr that grows with what is done."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _show(asked: Asked, report: Report, common: Common) -> None:
    if common.json:
        return show_json(report)
    for key in report.keys if asked.dry_run else []:
        show_text(f"{asked.verb} {asked.collection} {key}")
    did = (
        f"{len(report.keys)} to change"
        if asked.dry_run
        else f"{report.changed} changed in {counted(report.batches, 'batch')}"
    )
    show_text(f"{did}, {report.equal} as they should be, {report.done} done before under this intent")
    for key, why in report.refused.items():
        note(f"! {asked.collection} {key}: {why}")
    return None


def read_where(given: tuple[str, ...]) -> Where:
    """The conditions of `--where`. Raises UsageError."""
    plain: dict[str, str] = {}
    labels: dict[str, str] = {}
    fields: dict[str, object] = {}
    for text in given:
        name, value = _pair(text, "--where")
        if name in ("prefix", "text"):
            plain[name] = value
        elif name.startswith(LABEL):
            labels[name.removeprefix(LABEL)] = value
        else:
            fields[name] = _value(value)
    return Where(plain.get("prefix", ""), plain.get("text", ""), labels, fields)


def read_fields(given: tuple[str, ...]) -> dict[str, object]:
    """The patch that FIELD=VALUE … stand for. Raises UsageError."""
    if not given:
        raise UsageError("FIELD=VALUE was expected", field="FIELD=VALUE", todo="write desired=STOP, or labels.zone=BTF")
    pairs = [_pair(text, "FIELD=VALUE") for text in given]
    return unflatten(flatten(unflatten({name: _value(value) for name, value in pairs})))


def _pair(text: str, what: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise UsageError(f"NAME=VALUE was expected, {text!r} came", field=what, todo="write it as in label.zone=BTF")
    return name, value


def _value(text: str) -> object:
    try:
        return msgspec.json.decode(text.encode())
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return text


async def intent(intent: str, *, common: Common = DEFAULT) -> None:
    """Show what an undertaking has done so far, as far as the peer knows.

    Parameters
    ----------
    intent
        Its id, as it was printed when it began.
    """
    async with common.client() as client:
        found = await client.intent(intent)
    if common.json:
        return show_json(found)
    show_table(("when", "by", "position", "changes", "fate", "batch"), [_row(batch) for batch in found.batches])
    return note(f"{counted(len(found.batches), 'batch')}, {counted(len(found.records), 'record')}")


def _row(batch: "IntentBatch") -> tuple[str, ...]:
    return moment(batch.at), batch.author, batch.position, str(batch.changes), batch.fate, batch.batch
