"""The description names every route, and nothing that is not there."""

import json
import re

from mesh.api.openapi import document
from mesh.api.rest import ENTRIES

DOCUMENT = json.loads(document())


def test_every_route_is_described_and_no_other() -> None:
    described = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert described == {(entry.method, entry.path.replace(":path", "")) for entry in ENTRIES}


def test_every_reference_leads_somewhere() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    references = re.findall(r'"#/components/schemas/([^"]+)"', document().decode())
    assert references
    assert [name for name in references if name not in schemas] == []


def test_every_operation_has_an_id_of_its_own_and_says_how_it_fails() -> None:
    operations = [operation for item in DOCUMENT["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all("application/problem+json" in one["responses"]["default"]["content"] for one in operations)


def test_path_parameters_are_those_of_the_path() -> None:
    for path, item in DOCUMENT["paths"].items():
        for operation in item.values():
            names = [one["name"] for one in operation["parameters"] if one["in"] == "path"]
            assert names == re.findall(r"{(\w+)}", path)
