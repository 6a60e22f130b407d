"""A dataset: the attributes of a kind of device (`cudk_ds_desc`).

Invariant: every field is optional and unknown fields pass through; no default is ever written down.
"""

from enum import StrEnum

from msgspec import Struct

from mesh.model.quantity import AttributeType

Scalar = bool | int | float | str  # A limit, as a number or in the string form of a real export.


class Direction(StrEnum):
    """Who writes an attribute (`cudk_ds_attr_dir`): the operator (0), the device (1), or both (2)."""

    INPUT = "input"
    OUTPUT = "output"
    BIDIRECTIONAL = "bidirectional"


class Attribute(Struct, frozen=True, kw_only=True):
    """One attribute. A unit may override any of these; an empty limit means that nothing is checked.

    Each field names its !CHAOS key.
    """

    type: AttributeType | None = None  # cudk_ds_attr_type
    vector: bool | None = None  # cudk_ds_attr_type & 0x100
    direction: Direction | None = None  # cudk_ds_attr_dir
    unit: str | None = None  # cudk_ds_attr_unit: the physical unit
    description: str | None = None  # cudk_ds_attr_desc
    default: object = None  # cudk_default_value
    min: Scalar | None = None  # cudk_ds_min_range
    max: Scalar | None = None  # cudk_ds_max_range
    min_warning: Scalar | None = None  # cudk_ds_min_warn_range
    max_warning: Scalar | None = None  # cudk_ds_max_warn_range
    increment: Scalar | None = None  # cudk_ds_attr_inc: the smallest meaningful step
    max_size: int | None = None  # cudk_ds_max_size, bytes
    mime: str | None = None  # cudk_ds_bin_mime
    conversion_factor: Scalar | None = None  # cudk_ds_attr_convfact
    offset: Scalar | None = None  # cudk_ds_attr_offset
    scale: Scalar | None = None  # cudk_ds_attr_scale
    warning_threshold: Scalar | None = None  # cudk_ds_attr_wrn_thr: largest difference of setpoint and readback
    error_threshold: Scalar | None = None  # cudk_ds_attr_err_thr


class Dataset(Struct, frozen=True, kw_only=True):
    """The attributes that control units of one class register (`cudk_ds_desc`)."""

    description: str | None = None
    attributes: dict[str, Attribute] | None = None  # cudk_ds_attr_name -> attribute
    labels: dict[str, str] | None = None
