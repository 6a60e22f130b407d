"""What a unit is in the end: its dataset, its templates and its own record, laid over each other.

The order, weakest first: the dataset, the defaults of the farthest template, …, those of the unit's own template, the unit.

Invariant: pure and total over whatever records are there; a missing template or dataset is left out, never an error.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import Struct

from mesh.ids import RecordId
from mesh.model.dataset import Attribute
from mesh.model.template import EXTENDS_MAX
from mesh.model.unit import DriverEntry

Lookup = Callable[[RecordId], dict[str, object] | None]
Layer = dict[str, object]
T = TypeVar("T")

SCHEDULE_DELAY_US = 1_000_000  # !CHAOS's own default: one cycle per second.


class UnitSpec(Struct, frozen=True, kw_only=True):
    """All that a driver has to know of its unit, with every level resolved."""

    unit: str
    implementation: str = ""
    template: str = ""
    load_parameters: object = None
    schedule_delay_us: int = SCHEDULE_DELAY_US
    attributes: dict[str, Attribute] = {}
    drivers: tuple[DriverEntry, ...] = ()


def resolve(unit: str, lookup: Lookup) -> UnitSpec:
    """The effective configuration of a unit. Whatever has not the shape that `validate` asks for is left out."""
    own = lookup(RecordId("unit", unit)) or {}
    chain = _templates(own.get("template"), lookup)
    layers = [_dataset(chain, lookup)]
    for template in chain:
        layers += [_of_template(template), _object(template.get("defaults"))]
    layers.append(own)
    found = [(name, value) for layer in layers for name, value in layer.items() if value is not None]
    return UnitSpec(
        unit=unit,
        template=_last(found, "template", str, ""),
        implementation=_last(found, "implementation", str, ""),
        load_parameters=_last(found, "load_parameters", object, None),
        schedule_delay_us=_last(found, "schedule_delay_us", int, SCHEDULE_DELAY_US),
        drivers=_last(found, "drivers", tuple[DriverEntry, ...], ()),
        attributes=_attributes(layers),
    )


def _last(found: list[tuple[str, object]], name: str, shape: type[T], missing: T) -> T:
    """The strongest layer's value that has the shape."""
    for given, value in reversed(found):
        fitting = _fitting(value, shape) if given == name else None
        if fitting is not None:
            return fitting
    return missing


def _fitting(value: object, shape: type[T]) -> T | None:
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError:
        return None


def _templates(key: object, lookup: Lookup) -> list[Layer]:
    """The unit's templates, the farthest first. A circle of `extends` is cut where it closes."""
    chain: list[Layer] = []
    seen: list[str] = []
    while isinstance(key, str) and key and key not in seen and len(seen) < EXTENDS_MAX:
        seen.append(key)
        template = lookup(RecordId("template", key)) or {}
        chain.append(template)
        key = template.get("extends")
    return chain[::-1]


def _dataset(chain: list[Layer], lookup: Lookup) -> Layer:
    key = next((key for template in reversed(chain) if isinstance(key := template.get("dataset"), str)), None)
    return {} if key is None else lookup(RecordId("dataset", key)) or {}


def _of_template(template: Layer) -> Layer:
    return {name: template[name] for name in ("implementation", "load_parameters", "drivers") if name in template}


def _attributes(layers: list[Layer]) -> dict[str, Attribute]:
    """Every attribute that any layer names, each of its properties from the strongest layer that gives it."""
    merged: dict[str, Layer] = {}
    for layer in layers:
        for name, attribute in _object(layer.get("attributes")).items():
            given = {key: value for key, value in _object(attribute).items() if value is not None}
            merged[name] = merged.get(name, {}) | given
    return {name: _attribute(properties) for name, properties in merged.items()}


def _attribute(properties: Layer) -> Attribute:
    whole = _fitting(properties, Attribute)
    if whole is not None:
        return whole
    good = {key: value for key, value in properties.items() if _fitting({key: value}, Attribute) is not None}
    return msgspec.convert(good, Attribute)


def _object(value: object) -> Layer:
    return value if isinstance(value, dict) else {}
