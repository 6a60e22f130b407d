"""Large undertakings: a sequence of batches under one intent, which can be resumed at any peer. It is not atomic.

Invariant: every operation carries the version of the record that it was decided upon, so what people change meanwhile is looked at
again and not written over; a record that the intent has changed already, as far as the peer knows, is never changed by it again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec
from msgspec import Struct

from mesh.client.answers import Record, Value
from mesh.errors import NotFound, Refused, Unmet, UsageError
from mesh.model.fields import differ, flatten, merge_patch

if TYPE_CHECKING:
    from mesh.client.client import MeshClient

CHANGES_MAX = 200  # Of 256 changes in a batch.
BYTES_MAX = 40 * 1024  # Of 64 KiB in a batch; JSON is a little larger than what is stored.
DOT_BYTES = 40  # What a bury takes for each change that it hides.
TRIES_MAX = 20  # A record that others change this often meanwhile is left alone.
BURY_RULE = "a bury names all that it hides"  # What a peer says of a bury that would not fit a batch.
SETTLED_DOTS_MAX = 1_000  # Live changes that one batch of settlements replaces.

Progress = Callable[[int, int], None]  # Records done, of how many.
Decide = Callable[[Record], "Step | None"]


class Where(Struct, frozen=True):
    """Which records: those whose key starts with `prefix`, that hold `text`, all `labels`, and exactly these `fields`."""

    prefix: str = ""
    text: str = ""
    labels: Mapping[str, str] = {}
    fields: Mapping[str, object] = {}

    def takes(self, record: Record) -> bool:
        """Whether a record, as it is now, is asked for. What stands in `text` is for the peer to look for."""
        shown = flatten(record.value)
        labels = record.value.get("labels")
        held = labels if isinstance(labels, dict) else {}
        return (
            record.key.startswith(self.prefix)
            and all(held.get(name) == value for name, value in self.labels.items())
            and all(path in shown and not differ(shown[path], value) for path, value in self.fields.items())
        )


class Step(Struct, frozen=True):
    """One operation on one record, and how much of a batch it takes."""

    record: Record
    op: Value
    changes: int
    size: int


class Report(Struct, frozen=True):
    """What became of an undertaking. `done`: this intent had changed them before; `equal`: nothing was to be changed;
    `refused`: what stood against changing a record, by key.
    """

    intent: str
    matched: int
    changed: int
    done: int
    equal: int
    batches: int
    keys: list[str]
    refused: dict[str, str] = {}


def new_intent(verb: str) -> str:
    """An id for a new undertaking."""
    return f"{verb}-{uuid4().hex[:12]}"


def patching(patch: Value) -> Decide:
    """Merge `patch` into each record in which it changes something."""

    def decide(record: Record) -> Step | None:
        changes = merge_patch(record.value, patch)
        if not changes:
            return None
        op = {"op": "patch", "collection": record.collection, "key": record.key, "patch": patch}
        return Step(record, op | _as_seen(record), len(changes), len(msgspec.json.encode((op, changes))))

    return decide


def burying(record: Record) -> Step | None:
    """Bury each record."""
    op: Value = {"op": "bury", "collection": record.collection, "key": record.key}
    live = len(flatten(record.value)) + sum(len(conflict.values) for conflict in record.conflicts)
    return Step(record, op | _as_seen(record), 1, live * DOT_BYTES)


def _as_seen(record: Record) -> Value:
    return {"expect": {"version": record.version}}


class Undertaking:
    """One decision for many records of a collection. `run` may be called again after a failure, here or elsewhere."""

    def __init__(
        self, client: "MeshClient", intent: str, reason: str, progress: Progress = lambda done, of: None
    ) -> None:
        self._client, self._intent, self._reason = client, intent, reason
        self._progress = progress
        self._batches = self._changed = self._total = 0
        self._tries: dict[str, int] = {}
        self._refused: dict[str, str] = {}

    async def plan(self, collection: str, where: Where, decide: Decide) -> tuple[list[Step], Report]:
        """What is left to do, and a report of what there is, with nothing changed yet."""
        known = await self._client.intent(self._intent)
        buries = decide is burying  # Whose settlements on the way do not count as done.
        written = [record for record in known.records if record.collection == collection]
        done = {record.key for record in written if not buries or "" in record.fields}
        asked = {
            "prefix": where.prefix,
            "text": where.text,
            "labels": where.labels,
            "limit": 1000,
            "after": known.token,
        }
        records = [r for r in await self._client.records(collection, **asked) if where.takes(r)]
        left = [record for record in records if record.key not in done]
        steps = [step for record in left if (step := decide(record)) is not None]
        keys = [step.record.key for step in steps]
        return steps, Report(self._intent, len(records), 0, len(done), len(left) - len(steps), 0, keys)

    async def run(self, collection: str, where: Where, decide: Decide) -> Report:
        """Do what is left to do, batch by batch. Raises as `submit` does; what was stored stays."""
        steps, report = await self.plan(collection, where, decide)
        self._total = len(steps)
        for group in groups(steps):
            await self._send(group, where, decide)
        return msgspec.structs.replace(report, changed=self._changed, batches=self._batches, refused=self._refused)

    async def _send(self, steps: Sequence[Step], where: Where, decide: Decide) -> None:
        waiting = [list(steps)]
        while waiting:
            group = waiting.pop()
            try:
                await self._submit([step.op for step in group], len(group))
            except Unmet as unmet:  # Somebody changed a record meanwhile: decide again what becomes of it.
                moved = next((step for step in group if step.record.key == unmet.details.get("key")), None)
                if moved is None:
                    raise
                again = await self._decide_again(moved, where, decide)
                rest = [step for step in group if step is not moved]
                waiting += [part for part in (again, rest) if part]
            except UsageError as error:  # Too large after all, or one of its records cannot be changed: find out which.
                waiting += _halves(group) if len(group) > 1 else await self._alone(group[0], error, decide)

    async def _alone(self, step: Step, error: UsageError, decide: Decide) -> list[list[Step]]:
        """What becomes of one record that was refused: a bury of too much is made smaller, anything else is reported."""
        if error.rule == BURY_RULE and step.record.conflicts:
            return [await self._settle_first(step, decide)]
        self._refused[step.record.key] = f"{error}; {error.todo}" if error.todo else str(error)
        return []

    async def _submit(self, ops: list[Value], records: int) -> None:
        position = f"{self._changed + 1}-{self._changed + records}/{self._total}"
        await self._client.submit(ops, reason=self._reason, intent=self._intent, position=position)
        self._batches += 1
        self._changed += records
        self._progress(self._changed, self._total)

    async def _decide_again(self, step: Step, where: Where, decide: Decide) -> list[Step]:
        key = step.record.key
        self._tries[key] = self._tries.get(key, 0) + 1
        if self._tries[key] > TRIES_MAX:
            raise Refused(
                f"{step.record.collection} {key} was changed by others {TRIES_MAX} times meanwhile",
                field="key",
                todo="run the command again with the same --intent when they are done",
            )
        try:
            record = await self._client.get(step.record.collection, key)
        except NotFound:
            return []
        again = decide(record) if where.takes(record) else None
        return [again] if again is not None else []

    async def _settle_first(self, step: Step, decide: Decide) -> list[Step]:
        """Settle the conflicts of a record that has too many live changes for one bury, each with the value that is shown."""
        ops: list[Value] = []
        dots = 0
        for conflict in step.record.conflicts:
            shown = next((value.value for value in conflict.values if value.shown and not value.cleared), None)
            place = {"collection": step.record.collection, "key": step.record.key, "field": conflict.field}
            if ops and dots + len(conflict.values) > SETTLED_DOTS_MAX:
                await self._submit(ops, 0)
                ops, dots = [], 0
            ops.append({"op": "settle", **place, "value": shown, "seen": [conflict.version]})
            dots += len(conflict.values)
        await self._submit(ops, 0)
        again = decide(await self._client.get(step.record.collection, step.record.key))
        assert again is not None
        return [again]


def _halves(steps: list[Step]) -> list[list[Step]]:
    middle = len(steps) // 2
    return [steps[middle:], steps[:middle]]


def groups(steps: Sequence[Step]) -> list[list[Step]]:
    """The steps in groups that fit a batch each, in their order."""
    found: list[list[Step]] = []
    changes = size = 0
    for step in steps:
        if not found or changes + step.changes > CHANGES_MAX or size + step.size > BYTES_MAX:
            found.append([])
            changes = size = 0
        found[-1].append(step)
        changes, size = changes + step.changes, size + step.size
    return found
