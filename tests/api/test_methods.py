"""The table of methods: every entry decodes what it says it takes, and refuses the rest by name."""

import re
from importlib import resources

import pytest

from mesh.api.faults import Invalid, UnknownMethod
from mesh.api.methods import METHODS, WATCH_METHODS, decode, method
from mesh.api.provenance import FieldConflict
from mesh.api.shapes import GetRecord, ListRecords, PutOp, SubmitParams
from mesh.runtime.rows import PathFault, Reaching, ReachRow


@pytest.mark.parametrize("name", METHODS)
def test_every_method_refuses_a_name_that_it_does_not_know(name: str) -> None:
    with pytest.raises(Invalid):
        decode(METHODS[name].params, {"no such": 1})


@pytest.mark.parametrize("given", [[], "x", None, 1])
def test_parameters_go_by_name(given: object) -> None:
    with pytest.raises(Invalid, match="by name"):
        decode(GetRecord, given)


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(Invalid) as caught:
        decode(ListRecords, {"collection": "unit", "labels": {"zone": 1}})
    assert (caught.value.field.startswith("labels"), caught.value.rule) == (True, "Expected `str`, got `int`")


@pytest.mark.parametrize("operations", [[], [{"op": "erase"}], [{"op": "put", "collection": "c", "key": "k"}]])
def test_a_batch_of_nonsense_is_refused(operations: list[object]) -> None:
    with pytest.raises(Invalid):
        decode(SubmitParams, {"operations": operations})


def test_operations_are_told_apart() -> None:
    params = decode(SubmitParams, {"operations": [{"op": "put", "collection": "c", "key": "k", "value": {"a": 1}}]})
    assert params.operations == [PutOp(collection="c", key="k", value={"a": 1})]


def test_an_unknown_method_names_the_known_ones() -> None:
    with pytest.raises(UnknownMethod) as caught:
        method("records.got")
    assert "records.get" in caught.value.todo


def test_the_page_asks_only_for_what_there_is() -> None:
    page = resources.files("mesh.api").joinpath("page.html").read_text("utf-8")
    asked = dict(re.findall(r'ask\(socket, \d+, "([a-z.]+)", \{(\w*)', page))
    assert asked.keys() - {*METHODS, *WATCH_METHODS} == set()
    assert {"conflicts.list", "health.get", "reach.show", "watch.open"} == asked.keys()
    assert asked["conflicts.list"] in METHODS["conflicts.list"].params.__struct_fields__
    for field in ("reached", "silent"):
        assert field in ReachRow.__struct_fields__
        assert f"row.{field}" in page
    for field in ("members", "said", "items", "faults"):
        assert field in Reaching.__struct_fields__
    assert "told({one, other, how})" in page
    assert PathFault.__struct_fields__ == ("one", "other", "how")
    for field in ("withheld", "mark", "policy", "values", "field"):
        assert field in FieldConflict.__struct_fields__
        assert f".{field}" in page
