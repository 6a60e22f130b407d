"""Policies choose what is shown: the same for any order of siblings, and never at the cost of one."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.crdt.batch import Kind, encode_value
from mesh.crdt.cell import Sibling, ranked
from mesh.crdt.compose import Bury, Clear, Edit, Put
from mesh.crdt.showing import NO_NUMBER, NO_OWNER, NOT_THE_OWNER, WITHHELD, choose, read_rules
from mesh.crdt.view import read_value, scan_records
from mesh.ids import Dot, RecordId, WriterId
from mesh.model.policy import FieldRule, Rule
from tests.crdt.site import NOON, Site, exchange
from tests.strategies import json_values

UNIT = RecordId("unit", "BTF/DIPOLE/1")
WRITERS = [WriterId(bytes([n]) * 16) for n in range(4)]
NAMES = {WRITERS[0]: "linac-1", WRITERS[1]: "linac-2"}

dots = st.builds(Dot, st.sampled_from(WRITERS), st.integers(1, 3), st.integers(0, 2), st.just(b"12345678"))
values = st.integers(-3, 3) | st.floats(-3, 3) | json_values
siblings = st.builds(
    lambda dot, stamp, author, value: Sibling(dot, stamp, author, *value),
    dots,
    st.integers(1, 3),
    st.sampled_from(("eva", "linac-1")),
    st.just((Kind.CLEAR, b"")) | values.map(lambda value: (Kind.PUT, encode_value(value))),
)
cells = st.lists(siblings, min_size=1, max_size=5, unique_by=lambda sibling: sibling.dot)
owners = st.sampled_from(("", "linac-1", "linac-2", "eva", "nobody"))
policies = st.sampled_from(Rule).map(lambda rule: FieldRule("p", rule))


@given(cells, owners, policies, st.randoms(use_true_random=False))
def test_what_is_shown_does_not_depend_on_the_order_of_the_siblings(
    cell: list[Sibling], owner: str, policy: FieldRule, rng: Random
) -> None:
    mixed = list(cell)
    rng.shuffle(mixed)
    assert choose(policy, mixed, owner, NAMES) == choose(policy, cell, owner, NAMES)
    assert sorted(mixed, key=lambda s: s.dot) == sorted(cell, key=lambda s: s.dot)


@given(cells, owners, policies)
def test_what_is_shown_is_one_of_the_siblings_and_only_ask_shows_none(
    cell: list[Sibling], owner: str, policy: FieldRule
) -> None:
    showing = choose(policy, cell, owner, NAMES)
    assert showing.withheld == (policy.rule is Rule.ASK) == (showing.sibling is None)
    assert showing.sibling in (*cell, None)
    assert showing.mark in ("", WITHHELD, NO_OWNER, NOT_THE_OWNER, NO_NUMBER)


@given(cells, owners, policies, siblings)
def test_a_rule_that_cannot_be_followed_shows_the_latest_and_says_so(
    cell: list[Sibling], owner: str, policy: FieldRule, other: Sibling
) -> None:
    showing = choose(policy, cell, owner, NAMES)
    if showing.mark and not showing.withheld:
        assert showing.sibling == ranked(cell)[-1]


def sibling(value: object, number: int = 0, stamp: int = 1, author: str = "eva") -> Sibling:
    return Sibling(Dot(WRITERS[number], 1, 0, b"12345678"), stamp, author, Kind.PUT, encode_value(value))


def shown(rule: Rule, *given: Sibling, owner: str = "") -> tuple[object, str]:
    showing = choose(FieldRule("p", rule), given, owner, NAMES)
    return (showing.sibling.value if showing.sibling is not None else None), showing.mark


def test_the_owner_is_the_node_or_the_author_of_that_name() -> None:
    here, there, late = sibling("a", 0), sibling("b", 2, 2, "linac-2"), sibling("c", 3, 9)
    assert shown(Rule.OWNER_ONLY, here, there, late, owner="linac-1") == (encode_value("a"), "")
    assert shown(Rule.OWNER_ONLY, here, there, late, owner="linac-2") == (encode_value("b"), "")
    assert shown(Rule.OWNER_ONLY, here, there, late, owner="linac-3") == (encode_value("c"), NOT_THE_OWNER)
    assert shown(Rule.OWNER_ONLY, here, there, late) == (encode_value("c"), NO_OWNER)


def test_the_largest_number_is_shown_and_what_is_none_is_passed_over() -> None:
    given = [sibling(5, 0), sibling(5.5, 1), sibling("9", 2, 9), sibling(True, 3, 8)]
    assert shown(Rule.MAX, *given) == (encode_value(5.5), "")
    assert shown(Rule.MAX, *given[2:]) == (encode_value("9"), NO_NUMBER)
    assert shown(Rule.MAX, sibling(5, 0, 1), sibling(5.0, 1, 2)) == (encode_value(5.0), "")


def disagreeing(*edits: Edit) -> tuple[Site, Site]:
    """a and b wrote the unit's current apart: 1 at a, and 2, later, at b. Then a wrote `edits`, and they met."""
    a, b = Site("a"), Site("b")
    a.write(Put(UNIT, "host", "a"))
    b.pull(a)
    a.write(Put(UNIT, "current", 1))
    b.write(Put(UNIT, "current", 2), now=NOON + 1)
    if edits:
        a.write(*edits, now=NOON + 2)
    exchange((a, b))
    return a, b


def policy(rule: str, **given: str) -> tuple[Edit, ...]:
    return tuple(Put(RecordId("policy", "p"), field, value) for field, value in {"rule": rule, **given}.items())


@pytest.mark.parametrize(
    ("given", "current"),
    [
        (policy("show-latest"), 2),
        (policy("owner-only", collection="unit"), 1),
        (policy("max", field="current"), 2),
        (policy("ask", prefix="BTF/"), None),
        (policy("ask", prefix="LINAC/"), 2),
    ],
)
def test_every_replica_shows_what_the_policy_says_and_keeps_all_values(
    given: tuple[Edit, ...], current: int | None
) -> None:
    for site in disagreeing(*given):
        stored = site.show(UNIT)
        assert (stored.fields().get("current"), len(stored.cells["current"]), stored.exists) == (current, 2, True)
        assert stored.conflicts() == ["current"]
        assert read_value(site.disk, UNIT, "current") == current
        assert list(scan_records(site.disk, "unit")) == [stored]


def test_a_policy_counts_from_the_next_read_on_and_touches_no_cell() -> None:
    a, b = disagreeing()
    cells = a.show(UNIT).cells
    a.write(*policy("ask"), now=NOON + 5)
    exchange((a, b))
    for site in (a, b):
        assert (site.show(UNIT).showing("current").withheld, site.show(UNIT).cells) == (True, cells)
    a.write(Bury(RecordId("policy", "p")), now=NOON + 6)
    exchange((a, b))
    assert [site.fields(UNIT)["current"] for site in (a, b)] == [2, 2]
    assert read_rules(a.disk) == read_rules(b.disk) == []


def test_a_record_of_which_all_is_withheld_exists() -> None:
    a, b = Site("a"), Site("b")
    a.write(*policy("ask"))
    a.write(Put(UNIT, "current", 1))
    b.write(Put(UNIT, "current", 2))
    exchange((a, b))
    assert (a.fields(UNIT), a.show(UNIT).exists) == ({}, True)


def test_a_policy_in_conflict_is_the_latest_and_one_that_is_broken_is_none() -> None:
    a, b = disagreeing(*policy("ask"))
    b.write(Put(RecordId("policy", "q"), "rule", "max"), now=NOON + 3)
    a.write(Put(RecordId("policy", "q"), "rule", "ask"), now=NOON + 4)
    exchange((a, b))
    assert [rule.rule for rule in read_rules(b.disk)] == [Rule.ASK, Rule.ASK]
    b.write(Clear(RecordId("policy", "p"), "rule"), Put(RecordId("policy", "q"), "rule", 5), now=NOON + 6)
    assert read_rules(b.disk) == []


@given(st.permutations(range(3)), st.sampled_from(Rule))
@settings(max_examples=30, deadline=None)
def test_the_order_of_arrival_does_not_change_what_is_shown(order: list[int], rule: Rule) -> None:
    sites = [Site(name) for name in "abc"]
    sites[0].write(*policy(rule), Put(UNIT, "host", "b"))
    for number, site in enumerate(sites):
        site.write(Put(UNIT, "current", 5 - number), now=NOON + number)
    reader = Site("d")
    for index in order:
        reader.pull(sites[index])
    exchange(sites)
    assert reader.show(UNIT) == sites[0].show(UNIT)
    assert reader.fields(UNIT).get("current") == {"show-latest": 3, "owner-only": 4, "max": 5, "ask": None}[rule]
