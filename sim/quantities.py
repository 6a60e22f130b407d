"""The numbers that a scenario is made of, each with its unit and bounds.

Invariant: a field of one of these types that was read is within its bounds, and the schema names its unit.
"""

from typing import Annotated

from msgspec import Meta

Seconds = Annotated[float, Meta(ge=0.0, extra_json_schema={"unit": "s"})]
Span = Annotated[float, Meta(gt=0.0, extra_json_schema={"unit": "s"})]
SignedSeconds = Annotated[float, Meta(extra_json_schema={"unit": "s"})]
Share = Annotated[float, Meta(ge=0.0, le=1.0, extra_json_schema={"unit": "1"})]
Rate = Annotated[float, Meta(ge=0.0, extra_json_schema={"unit": "1/s"})]
Count = Annotated[int, Meta(ge=1)]
Index = Annotated[int, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0.0)]
Bytes = Annotated[int, Meta(ge=1, extra_json_schema={"unit": "B"})]
ByteRate = Annotated[float, Meta(gt=0.0, extra_json_schema={"unit": "B/s"})]
