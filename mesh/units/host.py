"""The driver host: runs the units of this node as Supervision asks, and tells what becomes of them.

Invariant: one task per hosted unit; when `run` has ended, no unit is left started for longer than the shutdown bound.
"""

import time
from collections.abc import Callable, Iterable

import trio

from mesh.errors import NotFound
from mesh.model.resolve import UnitSpec
from mesh.supervision import Adopt, Effect, Perform, Retire, UnitReported, UnitRetired
from mesh.units.driver import DriverFactory, Values
from mesh.units.hosted import HostedUnit, Order, Surroundings

ACTION_TIMEOUT_S = 20.0  # The RPC time-out of !CHAOS: what takes longer is broken there as well.
SHUTDOWN_S_MAX = 10.0  # Less than what a service manager waits before it kills.
PUBLISH_S = 1.0  # The board takes one delta per second.

Report = Callable[[UnitReported | UnitRetired], None]
Publish = Callable[[str, dict[str, object] | None], None]
"""Called with a topic and the item; None takes the item away."""


def topic_of(unit: str) -> str:
    """The board topic of a unit."""
    return f"unit/{unit}"


def wall_clock_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class UnitHost:
    """Hosts units. `run` has to be started before the first effect is applied: `await nursery.start(host.run)`.

    `report` and `publish` are called from the host's tasks and must not block.
    """

    def __init__(
        self,
        make_driver: DriverFactory,
        report: Report,
        publish: Publish,
        *,
        action_timeout_s: float = ACTION_TIMEOUT_S,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self._report = report
        self._publish = publish
        self._around = Surroundings(make_driver, report, self._publish_unit, action_timeout_s, now_ms)
        self._nursery: trio.Nursery | None = None
        self._ended = False
        self._hosted: dict[str, HostedUnit] = {}
        self._tasks: dict[str, trio.CancelScope] = {}
        self._leaving: dict[str, HostedUnit] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Host units until cancelled; then stop and deinitialize them all, for at most SHUTDOWN_S_MAX."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                task_status.started()
                await self._publish_for_ever()
        finally:
            self._ended = True
            await self._shut_down()

    def apply(self, effects: Iterable[Effect]) -> None:
        """Do what Supervision asks. Returns at once; what becomes of it is reported. Nothing is done after the end."""
        for effect in effects if not self._ended else ():
            match effect:
                case Adopt(unit, spec):
                    self._adopt(unit, spec)
                case Perform(unit, action, run_id):
                    self._hosted[unit].order(Order(action, run_id))
                case Retire(unit):
                    self._retire(unit)

    async def command(self, unit: str, alias: str, parameters: Values) -> object:
        """Run a command of a unit's driver. Raises NotFound, Refused, or UsageError; see `HostedUnit.command`."""
        return await self._unit(unit).command(alias, parameters)

    async def set_inputs(self, unit: str, inputs: Values) -> None:
        """Apply setpoints to a unit. Raises NotFound, Refused, or UsageError."""
        await self._unit(unit).set_inputs(inputs)

    def status(self) -> dict[str, dict[str, object]]:
        """The board items of all hosted units, by topic."""
        return {topic_of(name): unit.status() for name, unit in self._hosted.items()}

    def _adopt(self, unit: str, spec: UnitSpec) -> None:
        hosted = self._hosted.get(unit)
        if hosted is not None:
            hosted.spec = spec
            return
        assert self._nursery is not None, f"{unit} adopted while the host does not run"
        hosted = self._hosted[unit] = HostedUnit(spec, self._around)
        scope = self._tasks[unit] = trio.CancelScope()
        self._nursery.start_soon(_run_within, scope, hosted, name=topic_of(unit))
        self._publish_unit(unit)

    def _retire(self, unit: str) -> None:
        assert self._nursery is not None, f"{unit} retired while the host does not run"
        self._leaving[unit] = self._hosted.pop(unit)
        self._tasks.pop(unit).cancel()
        self._nursery.start_soon(self._see_off, unit)

    async def _see_off(self, unit: str) -> None:
        await self._leaving[unit].shut_down()
        del self._leaving[unit]
        self._publish(topic_of(unit), None)
        self._report(UnitRetired(unit))

    async def _shut_down(self) -> None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + SHUTDOWN_S_MAX):
            async with trio.open_nursery() as nursery:
                for unit in [*self._hosted.values(), *self._leaving.values()]:
                    nursery.start_soon(unit.shut_down)

    async def _publish_for_ever(self) -> None:
        while True:
            await trio.sleep(PUBLISH_S)
            for unit in list(self._hosted):
                self._publish_unit(unit)

    def _publish_unit(self, unit: str) -> None:
        if unit in self._hosted:
            self._publish(topic_of(unit), self._hosted[unit].status())

    def _unit(self, unit: str) -> HostedUnit:
        hosted = self._hosted.get(unit)
        if hosted is None:
            raise NotFound(f"{unit} does not run here", field="unit", todo="ask the node named in the unit's `host`")
        return hosted


async def _run_within(scope: trio.CancelScope, unit: HostedUnit) -> None:
    with scope:
        await unit.run()
