"""A unit: one control unit (`nt_control_unit`), the instance of a template that drives one device.

Invariant: every field is optional and unknown fields pass through; only configuration, never a run-time field.
"""

from enum import StrEnum

from msgspec import Struct

from mesh.model.dataset import Attribute


class Desired(StrEnum):
    """The states that a unit can be wanted in; the two error states cannot be."""

    DEINIT = "DEINIT"
    INIT = "INIT"
    START = "START"
    STOP = "STOP"


class DriverEntry(Struct, frozen=True, kw_only=True):
    """A driver that the control unit opens (`cudk_driver_description[]`)."""

    name: str | None = None  # cudk_driver_description_name
    version: str | None = None  # cudk_driver_description_version
    init_parameter: object = None  # cudk_driver_description_init_parameter, often JSON in a string
    properties: object = None  # cudk_driver_prop


class Unit(Struct, frozen=True, kw_only=True):
    """A control unit's instance description (`instance_description`)."""

    description: str | None = None  # cudk_desc
    template: str | None = None  # stands for control_unit_implementation
    server: str | None = None  # ndk_parent: the unit server
    host: str | None = None  # the mesh node that runs it
    desired: Desired | None = None  # the state that its host brings it to
    load_parameters: object = None  # cudk_load_param, a text or JSON
    schedule_delay_us: int | None = None  # cudk_thr_sch_delay
    storage_type: int | None = None  # dsndk_storage_type: 1 history, 2 live, 4 file, 8 queue, 16 log
    storage_ageing_s: int | None = None  # dsndk_storage_history_ageing, 0 keeps for ever
    auto_load: bool | None = None
    auto_init: bool | None = None
    auto_start: bool | None = None
    drivers: list[DriverEntry] | None = None
    attributes: dict[str, Attribute] | None = None  # attribute_value_descriptions[]: what differs from the dataset
    labels: dict[str, str] | None = None  # zone, group and whatever people sort by
