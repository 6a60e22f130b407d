"""Field policies as people see them: which there are, and what decides over one field.

Invariant: what is explained here is what every read does, because it is asked of the same place (`mesh/crdt/showing.py`).
"""

from typing import Literal

from msgspec import Struct

from mesh.api.conflicts import version_row
from mesh.api.provenance import Version
from mesh.api.reading import catch_up, position_of, shown_first
from mesh.api.shapes import Reading, Text
from mesh.crdt.cell import is_conflict
from mesh.crdt.showing import choose, owner_of, read_rules
from mesh.crdt.token import encode_token
from mesh.crdt.versions import field_version
from mesh.crdt.view import read_record
from mesh.ids import RecordId
from mesh.model.naming import check_key
from mesh.model.policy import BUILT_IN, FieldRule, candidates
from mesh.runtime.node import Node


class ListPolicies(Reading, frozen=True, kw_only=True):
    """All policies, the most specific first."""


class ExplainPolicy(Reading, frozen=True, kw_only=True):
    """Which field of which record. The record need not exist."""

    collection: Text
    key: Text
    field: Text


class PolicyRow(Struct, frozen=True):
    """One policy. `name` is the key of its record; one that is built in has none."""

    name: str
    rule: str
    collection: str
    prefix: str
    field: str


class PolicyList(Struct, frozen=True):
    """The policies that hold at this peer."""

    items: list[PolicyRow]
    token: str


class PolicyExplained(Struct, frozen=True):
    """What decides over a field. `policies` all speak for it, and the first holds; `owner` is what `owner-only` looks for.

    `standing`: whether there is a value, several that agree, or a conflict, shown or withheld; `mark` as in `Conflict`.
    """

    collection: str
    key: str
    field: str
    policies: list[PolicyRow]
    owner: str
    standing: Literal["nothing", "settled", "conflict", "withheld"]
    mark: str
    version: str
    values: list[Version]
    token: str


async def list_policies(node: Node, params: ListPolicies) -> PolicyList:
    """All policies. Raises Behind."""
    await catch_up(node, params)
    with node.read() as reader:
        rules, token = sorted([*read_rules(reader), *BUILT_IN], key=lambda rule: rule.rank), position_of(reader)
    return PolicyList(list(map(_row, rules)), encode_token(token))


async def explain_policy(node: Node, params: ExplainPolicy) -> PolicyExplained:
    """Which policies speak for a field, and what the first of them shows of it. Raises Behind, UsageError."""
    check_key(params.collection, params.key)
    await catch_up(node, params)
    record, field = RecordId(params.collection, params.key), params.field
    with node.read() as reader:
        stored, position = read_record(reader, record), position_of(reader)
        speaking = candidates(read_rules(reader), record.collection, record.key, field)
        cells = stored.cells if stored is not None else {}
        cell = cells.get(field, ())
        showing = stored.showing(field) if stored is not None and cell else choose(speaking[0], (), "", {})
        shown = showing.sibling
        return PolicyExplained(
            collection=record.collection,
            key=record.key,
            field=field,
            policies=list(map(_row, speaking)),
            owner=owner_of(record, cells),
            standing=_standing(len(cell), is_conflict(cell), showing.withheld),
            mark=showing.mark if cell else "",
            version=field_version(cell) if cell else "",
            values=[version_row(node, reader, field, one, one is shown) for one in shown_first(cell, showing)],
            token=encode_token(position),
        )


def _standing(count: int, conflict: bool, withheld: bool) -> Literal["nothing", "settled", "conflict", "withheld"]:
    if not count:
        return "nothing"
    return "withheld" if withheld else "conflict" if conflict else "settled"


def _row(rule: FieldRule) -> PolicyRow:
    return PolicyRow(rule.name, rule.rule, rule.collection, rule.prefix, rule.field)
