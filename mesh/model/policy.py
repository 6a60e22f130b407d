"""Which of several concurrent values of a field is shown: the rules, and which of them speaks for a field.

Invariant: a policy chooses what is shown and never what is valid; the most specific one speaks, and there always is one.
"""

from collections.abc import Iterable
from enum import StrEnum

import msgspec
from msgspec import Struct

from mesh.model.fields import split

COLLECTION = "policy"
ANY = "*"


class Rule(StrEnum):
    """What is shown of a field whose concurrent values differ."""

    SHOW_LATEST = "show-latest"  # the value with the highest stamp
    OWNER_ONLY = "owner-only"  # what the record's owner wrote
    MAX = "max"  # the largest number
    ASK = "ask"  # nothing, until somebody settles it


class Policy(Struct, frozen=True, kw_only=True):
    """A record of the collection `policy`: the fields that it speaks for, and the rule that holds for them."""

    rule: Rule | None = None  # a record without one is no policy
    collection: str | None = None  # a collection; absent or "*": every one
    prefix: str | None = None  # what keys start with; absent: every key
    field: str | None = None  # `desired`, `labels.zone`, `labels.*`; absent or "*": every field
    description: str | None = None
    labels: dict[str, str] | None = None


class FieldRule(Struct, frozen=True):
    """One policy as it is applied. `name` is the key of its record; one that is built in has none."""

    name: str
    rule: Rule
    collection: str = ANY
    prefix: str = ""
    field: str = ANY

    def speaks_for(self, collection: str, key: str, field: str) -> bool:
        """Whether the field is among those that it is about."""
        return (
            self.collection in (ANY, collection)
            and key.startswith(self.prefix)
            and (self.field in (ANY, field) or self._is_map_of(field))
        )

    def _is_map_of(self, field: str) -> bool:
        name, key = split(field)
        return key is not None and split(self.field) == (name, ANY)

    @property
    def rank(self) -> tuple[bool, int, int, bool, str]:
        """Sorts the most specific first: by collection, then the longer prefix, then the field; built in last; then by name."""
        breadth = 2 if self.field == ANY else int(split(self.field)[1] == ANY)
        return self.collection == ANY, -len(self.prefix), breadth, not self.name, self.name


DEFAULT = FieldRule("", Rule.SHOW_LATEST)
BUILT_IN = (DEFAULT,)  # What the domain demands of its own fields would stand here; none of !CHAOS's does so far.


def field_rule(name: str, record: dict[str, object]) -> FieldRule | None:
    """The policy in a record; None where concurrent writers left something that is none."""
    try:
        policy = msgspec.convert(record, Policy)
    except msgspec.ValidationError:
        return None
    if policy.rule is None:
        return None
    return FieldRule(name, policy.rule, policy.collection or ANY, policy.prefix or "", policy.field or ANY)


def candidates(rules: Iterable[FieldRule], collection: str, key: str, field: str) -> list[FieldRule]:
    """All policies that speak for a field, the one that holds first. Policies themselves are always shown by the latest."""
    given = () if collection == COLLECTION else rules
    return sorted((r for r in (*given, *BUILT_IN) if r.speaks_for(collection, key, field)), key=lambda rule: rule.rank)


def owner_field(collection: str) -> str:
    """The field that names a record's owner: the node that runs a unit, else whoever `owner` names."""
    return "host" if collection == "unit" else "owner"
