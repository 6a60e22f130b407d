"""One hosted unit: its driver, its state, and the task that moves both.

Invariant: the driver is in one call at a time, every call is bounded, and no exception of a driver leaves this module.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio
from msgspec import Struct

from mesh.errors import Refused, UsageError
from mesh.model.lifecycle import ERRORS, WORDS, WORDS_ON_THE_WAY, Action, UnitState, step
from mesh.model.resolve import UnitSpec
from mesh.supervision import UnitReported
from mesh.units.driver import Driver, DriverFactory, RecoverableError, Values

CYCLE_S_MIN = 0.1  # Ten values a second are enough for metadata; faster loops belong into the driver.
ORDERS_MAX = 16  # Supervision has one outstanding action for a unit; more is a fault of ours.
CYCLES_MISSED_MAX = 3  # A started unit whose last cycle is older than this many periods (and 5 s) is not healthy.
SILENCE_S_MIN = 5.0
ERROR_CHARACTERS_MAX = 500  # A driver's error goes into every board delta.


class Order(Struct, frozen=True):
    """An action that Supervision asked for."""

    action: Action
    run_id: int


@dataclass(frozen=True)
class Surroundings:
    """What a hosted unit needs of its host."""

    make_driver: DriverFactory
    report: Callable[[UnitReported], None]
    changed: Callable[[str], None]
    action_timeout_s: float
    now_ms: Callable[[], int]


class HostedUnit:
    """Runs one unit. `run` is its task; `order` tells it what to do."""

    def __init__(self, spec: UnitSpec, around: Surroundings) -> None:
        self.spec = spec  # Taken at the next init.
        self._around = around
        self._driver: Driver | None = None
        self._driving = trio.Lock()
        self._send, self._receive = trio.open_memory_channel[Order](ORDERS_MAX)
        self._state = UnitState.DEINIT
        self._before_error = UnitState.DEINIT
        self._on_the_way: Action | None = None
        self._error = ""
        self._run_id = 0
        self._cycle = 0
        self._values: Values = {}
        self._period_s = 1.0
        self._cycle_at = math.inf
        self._seen_at = -math.inf  # When the last cycle, or the start, succeeded.

    def order(self, order: Order) -> None:
        """Have the unit's task do this next."""
        self._send.send_nowait(order)

    def status(self) -> dict[str, object]:
        """What the unit's board item says."""
        word = WORDS[self._state] if self._on_the_way is None else WORDS_ON_THE_WAY[self._on_the_way]
        return {
            "state": self._state.name,
            "status": word,
            "run_id": self._run_id,
            "healthy": self._healthy(),
            "error": self._error,
            "values": self._values,
            "cycle": self._cycle,
            "at_ms": self._around.now_ms(),
        }

    async def run(self) -> None:
        """Perform orders, and cycle in between; until cancelled."""
        while True:
            order = await self._next_order()
            async with self._driving:
                if order is not None:
                    await self._perform(order)
                elif self._state is UnitState.START:  # A command may have failed in the meantime.
                    await self._turn()

    async def shut_down(self) -> None:
        """Stop the unit where it may run, and close its driver whatever its state. Each step is bounded. Not beside `run`."""
        async with self._driving:
            if self._driver is not None and self._may_run():
                await self._bounded(self._driver.stop)
            await self._close()
            self._on_the_way = None
            self._settle(UnitState.DEINIT, None)

    async def command(self, alias: str, parameters: Values) -> object:
        """Run a command of the driver. Raises Refused unless the unit is started, and where the command failed."""
        async with self._driving:
            return await self._ask(f"command {alias}", lambda driver: driver.command(alias, parameters))

    async def set_inputs(self, inputs: Values) -> None:
        """Apply setpoints. Raises Refused unless the unit is started, and UsageError for a wrong name or value."""
        async with self._driving:
            await self._ask("new setpoints", lambda driver: driver.set_inputs(inputs))

    async def _next_order(self) -> Order | None:
        """The next order, or None when it is time for a cycle. Orders go first: a unit that lags can still be stopped."""
        try:
            return self._receive.receive_nowait()
        except trio.WouldBlock:
            pass
        with trio.move_on_at(self._cycle_at):
            return await self._receive.receive()
        return None

    async def _perform(self, order: Order) -> None:
        if order.action is Action.START:
            self._run_id = order.run_id
        error = await self._attempt(order.action)
        self._around.report(UnitReported(self.spec.unit, self._state, error, order.action))

    async def _attempt(self, action: Action) -> str:
        """Do one action and take its consequence. Returns what went wrong."""
        try:
            after = step(self._state, action, self._before_error)
        except Refused as refused:
            return refused.message
        if after == self._state and self._state not in ERRORS:
            return ""
        self._on_the_way = action
        self._around.changed(self.spec.unit)
        failure = await self._bounded(lambda: self._call(action))
        self._on_the_way = None
        self._settle(after if failure is None else self._after(failure), failure)
        return self._error

    def _call(self, action: Action) -> Awaitable[None]:
        if action is Action.INIT:
            return self._init()
        assert self._driver is not None, f"{self.spec.unit} has no driver in {self._state.name}"
        calls = {
            Action.START: self._driver.start,
            Action.STOP: self._driver.stop,
            Action.DEINIT: self._driver.deinit,
            Action.RECOVER: self._driver.recover,
        }
        return calls[action]()

    async def _init(self) -> None:
        await self._close()
        self._driver = self._around.make_driver(self.spec)
        self._period_s = max(CYCLE_S_MIN, self.spec.schedule_delay_us / 1e6)
        await self._driver.init(self.spec)

    async def _close(self) -> None:
        """Let go of the driver. After a fatal error it may still hold its device, and may not be able to let go."""
        if self._driver is not None:
            await self._bounded(self._driver.deinit, self._around.action_timeout_s / 2)
        self._driver = None

    async def _turn(self) -> None:
        """One cycle of a started unit."""
        failure = await self._bounded(self._acquire)
        if failure is not None:
            self._settle(self._after(failure), failure)
            self._around.report(UnitReported(self.spec.unit, self._state, self._error))
            return
        now = trio.current_time()
        self._seen_at = now
        self._cycle_at = max(self._cycle_at + self._period_s, now)

    async def _acquire(self) -> None:
        assert self._driver is not None, f"{self.spec.unit} cycles without a driver"
        self._values = await self._driver.cycle()
        self._cycle += 1

    async def _ask(self, what: str, call: Callable[[Driver], Awaitable[object]]) -> object:
        driver = self._driver
        if self._state is not UnitState.START or driver is None:
            raise Refused(
                f"{self.spec.unit} is in {self._state.name} and takes no {what}",
                field="unit",
                rule="commands and setpoints need a started unit",
                todo="start it first: set `desired` to START and look for what keeps it from starting",
            )
        answers: list[object] = []

        async def ask() -> None:
            answers.append(await call(driver))

        failure = await self._bounded(ask)
        if failure is None:
            return answers[0]
        if isinstance(failure, UsageError):
            raise failure
        self._settle(self._after(failure), failure)
        self._around.report(UnitReported(self.spec.unit, self._state, self._error))
        raise Refused(f"{what} failed in {self.spec.unit}: {self._error}", todo="see the unit's state and error")

    async def _bounded(self, work: Callable[[], Awaitable[None]], timeout_s: float | None = None) -> Exception | None:
        """Await the driver for a bounded time, and hand back whatever it raised."""
        seconds = self._around.action_timeout_s if timeout_s is None else timeout_s
        try:
            with trio.fail_after(seconds):
                await work()
        except trio.TooSlowError:
            return TimeoutError(f"the driver did not answer within {seconds:g} s")
        except Exception as failure:  # A driver is foreign code: whatever it raises is its unit's error.
            return failure
        return None

    def _after(self, failure: Exception) -> UnitState:
        """Where a failure leads. An exception inside of an action is fatal from any state, RECOVERABLE_ERROR too (§1.5)."""
        if not isinstance(failure, RecoverableError) or self._state is UnitState.FATAL_ERROR:
            return UnitState.FATAL_ERROR
        return UnitState.RECOVERABLE_ERROR

    def _settle(self, state: UnitState, failure: Exception | None) -> None:
        if state in ERRORS and self._state not in ERRORS:
            self._before_error = self._state
        self._state = state
        self._error = "" if failure is None else _told(failure)
        if state is UnitState.DEINIT:
            self._driver = None
        now = trio.current_time()
        self._cycle_at = now if state is UnitState.START else math.inf
        self._seen_at = now if state is UnitState.START else self._seen_at
        self._around.changed(self.spec.unit)

    def _may_run(self) -> bool:
        """Whether the device may be running: after an error, or a cancelled start or stop, nobody knows."""
        return self._state in ERRORS | {UnitState.START} or self._on_the_way in (Action.START, Action.STOP)

    def _healthy(self) -> bool:
        if self._state is not UnitState.START:
            return self._state not in ERRORS
        return trio.current_time() - self._seen_at <= max(SILENCE_S_MIN, CYCLES_MISSED_MAX * self._period_s)


def _told(failure: Exception) -> str:
    """A driver's exception in one line; its type where it says nothing else."""
    text = " ".join(str(failure).split()) or type(failure).__name__
    return text[:ERROR_CHARACTERS_MAX]
