"""A template: what all control units of one class have in common.

Invariant: every field is optional and unknown fields pass through; a chain of `extends` ends.
"""

from msgspec import Struct

from mesh.model.unit import DriverEntry, Unit

EXTENDS_MAX = 16  # Templates above a unit. A longer chain is a circle or a mistake.


class Template(Struct, frozen=True, kw_only=True):
    """The class of control units. `defaults` holds fields of a unit, for units that do not give them themselves."""

    implementation: str | None = None  # control_unit_implementation: the C++ class
    description: str | None = None
    extends: str | None = None  # the key of another template
    dataset: str | None = None  # the key of a dataset
    drivers: list[DriverEntry] | None = None  # cudk_driver_description[]
    load_parameters: object = None  # cudk_load_param
    defaults: Unit | None = None
    labels: dict[str, str] | None = None
