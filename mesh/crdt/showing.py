"""What is shown of a cell: the one place where field policies are applied (DESIGN §5).

Invariant: a pure function of the siblings, whatever their order, and of the owner; no sibling is changed or lost by it, and where
all siblings agree no policy has a say.
"""

import math
from collections.abc import Collection, Mapping

import msgspec
from msgspec import Struct

from mesh.crdt.batch import Kind
from mesh.crdt.cell import Cell, Sibling, decode_cell, is_conflict, ranked, shown
from mesh.crdt.keys import cell_key, collection_prefix, split_cell_key
from mesh.crdt.names import node_name
from mesh.crdt.replica import Reader, Table
from mesh.ids import RecordId, WriterId
from mesh.model.fields import unflatten
from mesh.model.policy import COLLECTION, DEFAULT, FieldRule, Rule, candidates, field_rule, owner_field

NO_OWNER = "the record names no owner"
NOT_THE_OWNER = "none of the values is the owner's"
NO_NUMBER = "none of the values is a number"
WITHHELD = "nothing is shown until it is settled"


class Showing(Struct, frozen=True):
    """What is shown of a field. `sibling` None: no value, because there is none or because the rule withholds it.

    `mark` says, for people, where the rule could not be followed to a value, and the latest is shown instead.
    """

    sibling: Sibling | None
    policy: FieldRule = DEFAULT
    mark: str = ""

    @property
    def withheld(self) -> bool:
        """Whether there are values, and none is shown until somebody settles them."""
        return self.mark == WITHHELD


class Policies(Struct, frozen=True):
    """The policies of one committed state, and what the nodes are called that wrote the values in conflict."""

    rules: tuple[FieldRule, ...] = ()
    names: Mapping[WriterId, str] = {}


def choose(policy: FieldRule, siblings: Collection[Sibling], owner: str, names: Mapping[WriterId, str]) -> Showing:
    """What `policy` shows of siblings that differ. The owner's are those made at the node, or by the author, of that name."""
    cell = ranked(siblings)
    match policy.rule:
        case Rule.SHOW_LATEST:
            return Showing(shown(cell), policy)
        case Rule.ASK:
            return Showing(None, policy, WITHHELD)
        case Rule.OWNER_ONLY:
            own = [s for s in cell if owner and owner in (s.author, names.get(s.dot.writer))]
            mark = "" if own else NOT_THE_OWNER if owner else NO_OWNER
            return Showing(own[-1] if own else shown(cell), policy, mark)
        case Rule.MAX:
            largest = max((n for s in cell if (n := _number(s)) is not None), default=None)
            if largest is None:
                return Showing(shown(cell), policy, NO_NUMBER)
            return Showing([s for s in cell if _number(s) == largest][-1], policy)


def _number(sibling: Sibling) -> int | float | None:
    value = msgspec.msgpack.decode(sibling.value) if sibling.kind is Kind.PUT else None
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    return value if is_number else None


def show(policies: Policies, record: RecordId, cells: Mapping[str, Cell], field: str) -> Showing:
    """What is shown of one field of a record with these cells."""
    cell = cells.get(field, ())
    if not is_conflict(cell):
        return Showing(shown(cell))
    policy = candidates(policies.rules, record.collection, record.key, field)[0]
    return choose(policy, cell, owner_of(record, cells), policies.names)


def owner_of(record: RecordId, cells: Mapping[str, Cell]) -> str:
    """The name of a record's owner; empty where none is named. In conflict it is the latest, whatever the policies."""
    sibling = shown(cells.get(owner_field(record.collection), ()))
    value = msgspec.msgpack.decode(sibling.value) if sibling is not None and sibling.kind is Kind.PUT else None
    return value if isinstance(value, str) else ""


class PolicyReader:
    """The policies that one reader sees. They are read once, and only if a record is in conflict."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._rules: tuple[FieldRule, ...] | None = None

    def policies_for(self, cells: Mapping[str, Cell]) -> Policies:
        """What it takes to show a record with these cells; where nothing is in conflict that is nothing, and costs nothing."""
        unsettled = [cell for cell in cells.values() if len(cell) > 1 and is_conflict(cell)]
        if not unsettled:
            return Policies()
        if self._rules is None:
            self._rules = tuple(read_rules(self._reader))
        if all(rule.rule is not Rule.OWNER_ONLY for rule in self._rules):
            return Policies(self._rules)
        writers = dict.fromkeys(sibling.dot.writer for cell in unsettled for sibling in cell)
        return Policies(self._rules, {writer: node_name(self._reader, writer) for writer in writers})


def read_rules(reader: Reader) -> list[FieldRule]:
    """All policies of a replica, in order of their names; a buried one and what is no policy are left out."""
    records: dict[str, dict[str, object]] = {}
    buried: dict[str, None] = {}
    for key, row in reader.scan(Table.CELLS, collection_prefix(COLLECTION)):
        record, field = split_cell_key(key)
        sibling = shown(decode_cell(row))
        if not field:
            buried[record.key] = None
        elif sibling is not None and sibling.kind is Kind.PUT:
            records.setdefault(record.key, {})[field] = msgspec.msgpack.decode(sibling.value)
    found = (field_rule(name, unflatten(fields)) for name, fields in records.items() if name not in buried)
    return [rule for rule in found if rule is not None]


def is_buried(reader: Reader, record: RecordId) -> bool:
    """Whether a bury of the record is live."""
    return bool(decode_cell(reader.get(Table.CELLS, cell_key(record, ""))))
