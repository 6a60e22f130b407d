"""What a control unit's driver has to offer.

Invariant: the host calls one method of a driver at a time, in an order that the state machine allows.
"""

from collections.abc import Callable
from typing import Protocol

from mesh.model.resolve import UnitSpec

Values = dict[str, object]
"""Attribute name -> value."""


class RecoverableError(Exception):
    """The device is not well, and `recover` may help. Any other exception is fatal: the unit has to be initialized anew."""


class Driver(Protocol):
    """One unit's driver. Its methods are cancelled when they take longer than the host allows.

    A raised RecoverableError moves the unit to RECOVERABLE_ERROR, any other exception to FATAL_ERROR. A driver that
    has to block runs that part in a thread of its own that does little Python (DESIGN §3, "One Python thread").
    """

    async def init(self, spec: UnitSpec) -> None:
        """Open the device. Called once, on a fresh driver."""
        ...

    async def start(self) -> None:
        """Begin to acquire; `cycle` is called from now on."""
        ...

    async def stop(self) -> None:
        """No more cycles."""
        ...

    async def deinit(self) -> None:
        """Close the device. Called last, after a fatal error too, and even where `init` did not end."""
        ...

    async def recover(self) -> None:
        """Leave the recoverable error. Raising RecoverableError vetoes it."""
        ...

    async def cycle(self) -> Values:
        """One turn of the control loop: the outputs that it acquired."""
        ...

    async def set_inputs(self, inputs: Values) -> None:
        """Apply new setpoints. Raises UsageError for a name or value that the unit does not take."""
        ...

    async def command(self, alias: str, parameters: Values) -> object:
        """Run a command of the unit and return its result as JSON. Raises UsageError for an unknown alias or parameter."""
        ...


DriverFactory = Callable[[UnitSpec], Driver]
"""Makes a driver; called before each `init`, with the newest specification."""
