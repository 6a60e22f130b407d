"""What a node's own line carries: so many bytes a second, a queue in front of it, and datagrams of at most so many bytes.

Invariant: a queue never holds more than its bound; what does not fit is dropped at its tail, and streams wait instead.
"""

from typing import Annotated

from msgspec import Meta, Struct

from sim.quantities import ByteRate, Bytes


class Capacity(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The line of each node, the same for all."""

    up_byte_s: Annotated[ByteRate | None, Meta(description="What a node can send; None: without bound.")] = None
    down_byte_s: Annotated[ByteRate | None, Meta(description="What a node can receive; None: without bound.")] = None
    queue_bytes: Annotated[
        Bytes, Meta(description="What waits at most in front of each; more datagrams are dropped.")
    ] = 256 * 1024


class Lines:
    """When each node's line is free again, both ways."""

    __slots__ = ("_down_free", "_model", "_up_free")

    def __init__(self, model: Capacity) -> None:
        self._model = model
        self._up_free: dict[int, float] = {}
        self._down_free: dict[int, float] = {}

    def pass_up(self, node: int, size: int, now: float, patient: bool) -> float | None:
        """How long `size` bytes of `node` take until they are on the line, in seconds; None: dropped. A stream is `patient`."""
        return self._pass(self._up_free, self._model.up_byte_s, node, (size, now, patient))

    def pass_down(self, node: int, size: int, now: float, patient: bool) -> float | None:
        """The same for what arrives at `node` at the moment `now`."""
        return self._pass(self._down_free, self._model.down_byte_s, node, (size, now, patient))

    def _pass(
        self, free: dict[int, float], rate: float | None, node: int, load: tuple[int, float, bool]
    ) -> float | None:
        if rate is None:
            return 0.0
        size, now, patient = load
        begins = max(now, free.get(node, 0.0))
        if not patient and (begins - now) * rate + size > self._model.queue_bytes:
            return None
        free[node] = begins + size / rate
        return free[node] - now
