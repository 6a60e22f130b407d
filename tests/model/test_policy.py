"""Of all policies that speak for a field, the most specific one holds, in whatever order they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.model.policy import ANY, DEFAULT, FieldRule, Rule, candidates, field_rule

rules = st.builds(
    FieldRule,
    st.sampled_from("abc"),
    st.sampled_from(Rule),
    st.sampled_from((ANY, "unit", "variable")),
    st.sampled_from(("", "BTF/", "BTF/DIPOLE/")),
    st.sampled_from((ANY, "labels.*", "labels.zone", "desired")),
)


def first(*given: FieldRule, key: str = "BTF/DIPOLE/1", field: str = "labels.zone") -> FieldRule:
    return candidates(given, "unit", key, field)[0]


@given(st.lists(rules, max_size=8, unique_by=lambda rule: rule.rank), st.randoms(use_true_random=False))
def test_the_order_of_the_policies_does_not_matter(given: list[FieldRule], rng) -> None:
    mixed = list(given)
    rng.shuffle(mixed)
    assert candidates(mixed, "unit", "BTF/DIPOLE/1", "labels.zone") == candidates(
        given, "unit", "BTF/DIPOLE/1", "labels.zone"
    )


def test_the_most_specific_policy_holds_by_collection_then_prefix_then_field() -> None:
    given = [
        FieldRule("1", Rule.ASK, "unit", "BTF/DIPOLE/", "labels.zone"),
        FieldRule("2", Rule.ASK, "unit", "BTF/DIPOLE/", "labels.*"),
        FieldRule("3", Rule.ASK, "unit", "BTF/DIPOLE/"),
        FieldRule("4", Rule.ASK, "unit", "BTF/", "labels.zone"),
        FieldRule("5", Rule.ASK, "unit"),
        FieldRule("6", Rule.ASK, ANY, "BTF/DIPOLE/", "labels.zone"),
        FieldRule("7", Rule.ASK),
    ]
    assert candidates(given[::-1], "unit", "BTF/DIPOLE/1", "labels.zone") == [*given, DEFAULT]


@pytest.mark.parametrize(
    ("rule", "speaks"),
    [
        (FieldRule("a", Rule.ASK), True),
        (FieldRule("a", Rule.ASK, "variable"), False),
        (FieldRule("a", Rule.ASK, prefix="LINAC/"), False),
        (FieldRule("a", Rule.ASK, field="labels"), False),
        (FieldRule("a", Rule.ASK, field="labels.*"), True),
        (FieldRule("a", Rule.ASK, field="label.*"), False),
        (FieldRule("a", Rule.ASK, field="labels.z*"), False),
    ],
)
def test_a_policy_speaks_for_what_it_names(rule: FieldRule, speaks: bool) -> None:
    assert (first(rule) == rule) is speaks


def test_a_map_pattern_means_the_fields_of_that_map_alone() -> None:
    rule = FieldRule("a", Rule.ASK, field="labels.*")
    assert [first(rule, field=field) == rule for field in ("labels", "labels.a", "labels\\.a")] == [False, True, False]


def test_policies_are_shown_by_the_latest_whatever_they_say() -> None:
    assert candidates([FieldRule("a", Rule.ASK)], "policy", "a", "rule") == [DEFAULT]


@pytest.mark.parametrize("record", [{}, {"rule": "vote"}, {"rule": "ask", "prefix": 5}, {"collection": "unit"}])
def test_what_is_no_policy_is_left_out(record: dict[str, object]) -> None:
    assert field_rule("a", record) is None


def test_what_is_left_out_means_all() -> None:
    assert field_rule("a", {"rule": "max", "unknown": 1}) == FieldRule("a", Rule.MAX)
