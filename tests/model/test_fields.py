from hypothesis import given
from hypothesis import strategies as st

from mesh.model.fields import differ, flatten, join, merge_patch, split, unflatten

NAMES = st.text("ab.\\", max_size=4)
LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 2.5]) | st.text("xy", max_size=2)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3))
RECORDS = st.dictionaries(NAMES, VALUES, max_size=4)


def without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


def rfc7396(target: object, patch: object) -> object:
    """The pseudo code of RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = rfc7396(result.get(name), value)
    return result


def applied(fields: dict[str, object], changes: dict[str, object | None]) -> dict[str, object]:
    fields = {path: value for path, value in fields.items() if path not in changes}
    return fields | {path: value for path, value in changes.items() if value is not None}


def test_maps_are_cut_one_level_deep() -> None:
    record: dict[str, object] = {"host": "ada", "labels": {"zone": "BTF"}, "drivers": [{"name": "x"}], "empty": {}}
    assert flatten(record) == {"host": "ada", "labels.zone": "BTF", "drivers": [{"name": "x"}], "empty": {}}


def test_an_attribute_is_one_field_whatever_is_in_it() -> None:
    assert flatten({"attributes": {"a.b": {"min": "0", "more": {"c": 1}}}}) == {
        "attributes.a\\.b": {"min": "0", "more": {"c": 1}}
    }


@given(RECORDS)
def test_a_record_survives_being_cut_into_fields(record: dict[str, object]) -> None:
    assert not differ(unflatten(flatten(record)), record)


@given(NAMES, st.none() | NAMES)
def test_a_path_keeps_its_segments(name: str, key: str | None) -> None:
    assert split(join(name, key)) == (name, key)


@given(st.dictionaries(st.text("ab.\\", max_size=6), st.integers()))
def test_any_fields_show_a_record(fields: dict[str, object]) -> None:
    shown = unflatten(fields)
    assert unflatten(flatten(shown)) == shown
    assert unflatten(dict(reversed(fields.items()))) == shown


def test_a_map_wins_over_a_leaf_of_its_name() -> None:
    assert unflatten({"labels": "old", "labels.zone": "BTF"}) == {"labels": {"zone": "BTF"}}


@given(RECORDS, RECORDS)
def test_a_patch_does_what_the_rfc_says(record: dict[str, object], patch: dict[str, object]) -> None:
    current = without_nulls(record)
    assert isinstance(current, dict)
    changes = merge_patch(current, patch)
    assert not differ(unflatten(applied(flatten(current), changes)), rfc7396(current, patch))


@given(RECORDS, RECORDS)
def test_a_patch_names_only_what_it_changes(record: dict[str, object], patch: dict[str, object]) -> None:
    before = flatten(record)
    for path, value in merge_patch(record, patch).items():
        assert path in before if value is None else path not in before or differ(before[path], value)


def test_a_null_for_a_map_clears_each_of_its_fields() -> None:
    current: dict[str, object] = {"labels": {"zone": "BTF", "group": "DIPOLE"}, "host": "ada"}
    assert merge_patch(current, {"labels": None}) == {"labels.zone": None, "labels.group": None}


def test_a_patch_reaches_into_a_leaf() -> None:
    current: dict[str, object] = {"attributes": {"current": {"min": "0", "max": "10"}}}
    patch: dict[str, object] = {"attributes": {"current": {"max": "20"}}}
    assert merge_patch(current, patch) == {"attributes.current": {"min": "0", "max": "20"}}


def test_json_tells_one_from_true() -> None:
    assert differ(1, True)
    assert differ(1, 1.0)
    assert not differ({"a": 1, "b": 2}, {"b": 2, "a": 1})
