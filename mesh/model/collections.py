"""Which collections have a shape, and whether a record has it.

Invariant: an unknown collection and an unknown field pass; what is refused is named by field, rule and what came.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from mesh.errors import UsageError
from mesh.model.dataset import Dataset, Direction
from mesh.model.fields import flatten
from mesh.model.naming import check_collection, check_field
from mesh.model.policy import COLLECTION, Policy, Rule
from mesh.model.quantity import AttributeType, number
from mesh.model.server import Server
from mesh.model.template import Template
from mesh.model.unit import Desired, Unit
from mesh.model.variable import Variable

SHAPES: dict[str, type[Struct]] = {
    "dataset": Dataset,
    "template": Template,
    "unit": Unit,
    "server": Server,
    "variable": Variable,
    COLLECTION: Policy,
}
CHOICES: dict[str, tuple[str, ...]] = {
    "type": tuple(AttributeType),
    "direction": tuple(Direction),
    "desired": tuple(Desired),
    "rule": tuple(Rule),
}
ORDERED = (("min", "max"), ("min_warning", "max_warning"))  # Pairs of an attribute's limits.
ANY_KEY = "[...]"  # What msgspec writes in a path instead of a dict's key.


def validate(collection: str, record: dict[str, object]) -> None:
    """Check a whole record. Raises UsageError with the `field` (a path such as `attributes.position.type`) and the `rule`."""
    check_collection(collection)
    for path in flatten(record):
        check_field(path)
    shape = SHAPES.get(collection)
    if shape is None:
        return
    fault = _fault(record, shape)
    if fault is not None:
        raise _refusal(collection, _exact(record, shape, fault))
    _check_limits(collection, record)


def schemas() -> dict[str, object]:
    """JSON Schemas of the collections and of what they are made of, by name, for an OpenAPI document."""
    _, components = msgspec.json.schema_components(
        SHAPES.values(), schema_hook=_any_json, ref_template="#/components/schemas/{name}"
    )
    return dict(components)


def _any_json(kind: type) -> dict[str, object]:
    if kind is object:
        return {"description": "any JSON value"}  # msgspec takes an empty schema for no answer.
    raise NotImplementedError


def _fault(record: object, shape: type[Struct]) -> str | None:
    try:
        msgspec.convert(record, shape)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _exact(record: dict[str, object], shape: type[Struct], fault: str) -> str:
    """The fault with the key that it is about: msgspec writes `$.attributes[...].type`."""
    if ANY_KEY not in fault:
        return fault
    for name, key, item in _items(record):
        if found := _fault({name: {key: item}}, shape):
            return found.replace(f"$.{name}{ANY_KEY}", f"$.{name}.{key}", 1)
    return fault


def _items(record: dict[str, object]) -> Iterator[tuple[str, str, object]]:
    for name, value in record.items():
        if isinstance(value, dict):
            for key, item in value.items():
                yield name, key, item


def _refusal(collection: str, fault: str) -> UsageError:
    rule, _, place = fault.partition(" - at `$")
    path = place.rstrip("`").removeprefix(".")
    choices = CHOICES.get(path.rpartition(".")[2], ())
    if choices and rule.startswith("Invalid enum value"):
        rule = "one of " + ", ".join(choices)
    where = path or collection
    return UsageError(
        f"{where} of this {collection} is not as it has to be: {fault.partition(' - at ')[0]}",
        field=path,
        rule=rule,
        todo=f"correct {where}, or leave it out",
    )


def _check_limits(collection: str, record: dict[str, object]) -> None:
    for path, attribute in _attributes(record):
        for low, high in ORDERED:
            if reversed_limits(attribute, low, high):
                raise UsageError(
                    f"{path}.{low} is {attribute[low]!r}, above {high}, which is {attribute[high]!r}",
                    field=f"{path}.{low}",
                    rule=f"{low} is not above {high}",
                    todo=f"exchange the two, or correct one of them in this {collection}",
                )


def reversed_limits(attribute: dict[str, object], low: str, high: str) -> bool:
    """Whether both limits are numbers and in the wrong order."""
    least, most = number(attribute.get(low)), number(attribute.get(high))
    return least is not None and most is not None and least > most


def _attributes(record: dict[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
    """The attributes of a dataset, of a unit, or of what a template's defaults give its units."""
    defaults = record.get("defaults")
    sources: list[tuple[str, object]] = [("attributes", record.get("attributes"))]
    if isinstance(defaults, dict):
        sources.append(("defaults.attributes", defaults.get("attributes")))
    for path, attributes in sources:
        if isinstance(attributes, dict):
            for name, attribute in attributes.items():
                yield f"{path}.{name}", attribute
