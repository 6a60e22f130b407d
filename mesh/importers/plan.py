"""The smallest set of changes that brings the mesh to what an import asks for.

Nothing is cleared: a field or property that the file does not speak of stays as people set it. What an importer has only
guessed or made up (types, labels, descriptions, the desired state, hosts) is written where nothing stands yet, and never
over a person's decision.

Invariant: a plan that was carried out leaves an empty plan for the same import.
"""

from collections.abc import Callable, Iterator

from msgspec import Struct

from mesh.ids import RecordId
from mesh.importers.imported import Import, Irregularity, told
from mesh.model.fields import flatten, join, merge_patch, unflatten

Current = Callable[[RecordId], dict[str, object] | None]

ONCE = ("desired", "host", "description")  # Fields that an import only suggests,
ONCE_PREFIX = join("labels", "")  # with every label,
ONCE_COLLECTIONS = ("dataset",)  # and every field of these collections.


class Change(Struct, frozen=True):
    """One record to be created (`before` is None) or patched: field -> new value, and the old values of those fields."""

    record: RecordId
    fields: dict[str, object]
    before: dict[str, object] | None = None

    @property
    def value(self) -> dict[str, object]:
        """The fields as a record: the whole record to create, or the parts to merge into it."""
        return unflatten(self.fields)


class Plan(Struct, frozen=True):
    """What an import would change, record by record, and what was irregular in the file."""

    changes: list[Change]
    unchanged: int
    irregularities: list[Irregularity]

    def lines(self) -> list[str]:
        """The plan for people: irregularities, changes field by field, and a summary."""
        created = sum(change.before is None for change in self.changes)
        return [
            *(f"! {irregularity}" for irregularity in self.irregularities),
            *(line for change in self.changes for line in _lines(change)),
            f"{created} to create, {len(self.changes) - created} to change, {self.unchanged} as they should be, "
            f"{len(self.irregularities)} irregularities",
        ]

    def to_dict(self) -> dict[str, object]:
        """The plan as JSON."""
        return {
            "changes": [
                {
                    "collection": change.record.collection,
                    "key": change.record.key,
                    "action": "create" if change.before is None else "patch",
                    "fields": change.fields,
                    "before": change.before or {},
                }
                for change in self.changes
            ],
            "unchanged": self.unchanged,
            "irregularities": [{"where": i.where, "came": i.came, "done": i.done} for i in self.irregularities],
        }


def plan(current: Current, wanted: Import, hosts: list[str]) -> Plan:
    """Compare an import with what is there. With `hosts`, units that have none are spread over them evenly."""
    held = {record: current(record) for record in wanted.records}
    given = _spread(held, wanted, hosts)
    changes: list[Change] = []
    for record, value in wanted.records.items():
        asked = value | ({"host": given[record]} if record in given else {})
        change = _change(record, held[record], asked)
        if change.fields:
            changes.append(change)
    return Plan(changes, len(wanted.records) - len(changes), wanted.irregularities)


def _change(record: RecordId, held: dict[str, object] | None, asked: dict[str, object]) -> Change:
    if held is None:
        return Change(record, flatten(asked))
    before = flatten(held)
    speaks = {path: value for path, value in flatten(asked).items() if path not in before or not _once(record, path)}
    fields = {path: value for path, value in merge_patch(held, unflatten(speaks)).items() if value is not None}
    return Change(record, fields, {path: before[path] for path in fields if path in before})


def _once(record: RecordId, path: str) -> bool:
    return record.collection in ONCE_COLLECTIONS or path in ONCE or path.startswith(ONCE_PREFIX)


def _spread(held: dict[RecordId, dict[str, object] | None], wanted: Import, hosts: list[str]) -> dict[RecordId, str]:
    """A host for each unit that has none: the one with the fewest units of this import, by name among equals."""
    units = sorted(record for record in held if record.collection == "unit")
    owned = {record: ((held[record] or {}).get("host") or wanted.records[record].get("host")) for record in units}
    load = {host: sum(owner == host for owner in owned.values()) for host in sorted(set(hosts))}
    given: dict[RecordId, str] = {}
    for record in units if load else []:
        if not owned[record]:
            host = min(load, key=lambda name: (load[name], name))
            load[host] += 1
            given[record] = host
    return given


def _lines(change: Change) -> Iterator[str]:
    if change.before is None:
        yield f"+ {change.record}"
        yield from (f"    {path} = {told(value)}" for path, value in change.fields.items())
        return
    yield f"~ {change.record}"
    for path, value in change.fields.items():
        was = f"{told(change.before[path])} -> " if path in change.before else ""
        yield f"    {path} = {was}{told(value)}"
