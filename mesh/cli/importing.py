"""`mesh import`: a !CHAOS configuration file, compared with what is there, then carried out in bounded batches.

Invariant: the plan is made before anything is written; carried out in part, it is finished by running it again.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mesh.cli.options import DEFAULT, Common
from mesh.cli.output import counted, note, show_json, show_text
from mesh.client.bulk import new_intent
from mesh.errors import UsageError

if TYPE_CHECKING:
    from mesh.client import MeshClient
    from mesh.client.transaction_answers import IntentRecord
    from mesh.importers.imported import Import
    from mesh.importers.plan import Change, Plan

FIELDS_MAX = 200  # Of 256 changes in a batch.
BYTES_MAX = 40 * 1024  # Of 64 KiB in a batch; JSON is a little larger than what is stored.

Op = dict[str, object]


async def import_(
    file: Path, *, dry_run: bool = False, hosts: str = "", intent: str = "", common: Common = DEFAULT
) -> None:
    """Bring in a !CHAOS configuration file (MDSConfig). What people have set already is not written over.

    Parameters
    ----------
    file
        The file.
    dry_run
        Show what would change, and change nothing.
    hosts
        Names of nodes, separated by commas: units without a host are spread over them.
    intent
        Go on with an import that stopped half-way, at any peer: what it has written is not written again.
    """
    wanted = _read(file)
    async with common.client() as client:
        plan = await _plan(client, wanted, [name.strip() for name in hosts.split(",") if name.strip()])
        if intent:
            plan = without(plan, (await client.intent(intent)).records)
        if dry_run or not common.json:
            _show(plan, common.json, brief=not dry_run)
        if not dry_run:
            sent = await _carry_out(client, plan, file, intent or new_intent("import"))
            _report(plan, sent, common.json)


def _read(file: Path) -> "Import":
    from mesh.importers.chaos_mdsconfig import read

    try:
        return read(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", field="file", todo="name a file that can be read") from None


async def _plan(client: "MeshClient", wanted: "Import", hosts: list[str]) -> "Plan":
    from mesh.ids import RecordId
    from mesh.importers.plan import plan

    held: dict[RecordId, dict[str, object]] = {}
    for collection in dict.fromkeys(record.collection for record in wanted.records):
        for record in await client.records(collection, limit=1000):
            held[RecordId(collection, record.key)] = record.value
    return plan(held.get, wanted, hosts)


def _show(plan: "Plan", as_json: bool, brief: bool) -> None:
    if as_json:
        return show_json(plan.to_dict())
    lines = plan.lines()
    for line in [line for line in lines if line.startswith("!")] if brief else lines[:-1]:
        show_text(line, "yellow" if line.startswith("!") else "")
    return show_text(lines[-1], "bold")


async def _carry_out(client: "MeshClient", plan: "Plan", file: Path, intent: str) -> int:
    """Submit the plan batch by batch. Returns how many batches it took."""
    from mesh.cli.bulk import progressing

    batches = list(bounded(plan.changes))
    note(f"intent {intent}: each batch is whole, all of them together are not")
    with progressing("storing") as progress:
        for place, batch in enumerate(batches):
            position = f"{place + 1}/{len(batches)}"
            try:
                await client.submit(batch, reason=f"import of {file.name}", intent=intent, position=position)
            except Exception:
                note(f"{place} of {len(batches)} batches were stored; go on at any peer with --intent {intent}")
                raise
            progress(place + 1, len(batches))
    return len(batches)


def without(plan: "Plan", records: "list[IntentRecord]") -> "Plan":
    """The plan without the fields that its intent has written already, even where people have changed them since."""
    done = {(record.collection, record.key): record.fields for record in records}
    changes: list[Change] = []
    for change in plan.changes:
        written = done.get((change.record.collection, change.record.key), [])
        fields = {path: value for path, value in change.fields.items() if path not in written}
        if fields:
            changes.append(msgspec.structs.replace(change, fields=fields))
    return msgspec.structs.replace(plan, changes=changes)


def _report(plan: "Plan", sent: int, as_json: bool) -> None:
    if as_json:
        irregular = [msgspec.to_builtins(irregularity) for irregularity in plan.irregularities]
        show_json({"records": len(plan.changes), "batches": sent, "irregularities": irregular})
    else:
        show_text(f"stored {counted(len(plan.changes), 'record')} in {counted(sent, 'batch')}")


def bounded(changes: list["Change"]) -> Iterator[list[Op]]:
    """The changes as operations, in groups that fit a batch each. A record too large for one is split into patches."""
    group: list[Op] = []
    fields = size = 0
    for op, count, length in (part for change in changes for part in _operations(change)):
        if group and (fields + count > FIELDS_MAX or size + length > BYTES_MAX):
            yield group
            group, fields, size = [], 0, 0
        group.append(op)
        fields, size = fields + count, size + length
    if group:
        yield group


def _operations(change: "Change") -> Iterator[tuple[Op, int, int]]:
    from mesh.model.fields import unflatten

    create = change.before is None
    for part in _parts(change.fields):
        verb, name = ("put", "value") if create else ("patch", "patch")
        op: Op = {
            "op": verb, "collection": change.record.collection, "key": change.record.key, name: unflatten(part)
        }  # fmt: skip
        yield op, len(part), len(msgspec.json.encode(op))
        create = False


def _parts(fields: dict[str, object]) -> Iterator[dict[str, object]]:
    part: dict[str, object] = {}
    size = 0
    for path, value in fields.items():
        length = len(path) + len(msgspec.json.encode(value))
        if part and (len(part) >= FIELDS_MAX or size + length > BYTES_MAX):
            yield part
            part, size = {}, 0
        part[path] = value
        size += length
    if part:
        yield part
