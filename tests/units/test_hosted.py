from math import inf

import trio
from trio.testing import MockClock

from mesh.model.lifecycle import Action, UnitState
from mesh.model.resolve import UnitSpec
from mesh.supervision import UnitReported
from mesh.units.driver import Driver, Values
from mesh.units.hosted import HostedUnit, Order, Surroundings
from mesh.units.simulated import SimulatedDriver

S, A = UnitState, Action
SPEC = UnitSpec(unit="u")


class Sluggish(SimulatedDriver):
    """A simulated driver that takes its time."""

    def __init__(self, spec: UnitSpec, starting_s: float = 0.0, cycling_s: float = 0.0) -> None:
        super().__init__(spec)
        self.starting_s = starting_s
        self.cycling_s = cycling_s
        self.ended: list[str] = []

    async def start(self) -> None:
        await trio.sleep(self.starting_s)

    async def cycle(self) -> Values:
        await trio.sleep(self.cycling_s)
        return await super().cycle()

    async def stop(self) -> None:
        self.ended.append("stop")

    async def deinit(self) -> None:
        self.ended.append("deinit")


def hosted(driver: Driver | Exception, reports: list[UnitReported], timeout_s: float = 20.0) -> HostedUnit:
    def make(spec: UnitSpec) -> Driver:
        if isinstance(driver, Exception):
            raise driver
        return driver

    return HostedUnit(SPEC, Surroundings(make, reports.append, lambda unit: None, timeout_s, lambda: 0))


async def run_for(unit: HostedUnit, seconds: float, *actions: Action) -> None:
    for action in actions:
        unit.order(Order(action, 1))
    with trio.move_on_after(seconds):
        await unit.run()


async def test_a_driver_that_cannot_be_made_is_a_fatal_error_of_its_unit(autojump_clock: MockClock) -> None:
    reports: list[UnitReported] = []
    await run_for(hosted(ValueError("no such\n  class"), reports), 1, A.INIT)
    assert reports == [UnitReported("u", S.FATAL_ERROR, "no such class", A.INIT)]


async def test_an_exception_without_words_is_told_by_its_name(autojump_clock: MockClock) -> None:
    reports: list[UnitReported] = []
    await run_for(hosted(KeyError(), reports), 1, A.INIT)
    assert reports[0].error == "KeyError"


async def test_an_interrupted_start_is_stopped_and_closed(autojump_clock: MockClock) -> None:
    driver = Sluggish(SPEC, starting_s=inf)
    unit = hosted(driver, [])
    await run_for(unit, 1, A.INIT, A.START)
    assert unit.status()["status"] == "Starting"
    await unit.shut_down()
    assert driver.ended == ["stop", "deinit"]
    assert unit.status()["status"] == "Deinit"


async def test_a_unit_that_was_only_initialized_is_closed_and_not_stopped(autojump_clock: MockClock) -> None:
    driver = Sluggish(SPEC)
    unit = hosted(driver, [])
    await run_for(unit, 1, A.INIT)
    await unit.shut_down()
    await unit.shut_down()
    assert driver.ended == ["deinit"]


async def test_a_unit_whose_cycles_take_too_long_still_obeys(autojump_clock: MockClock) -> None:
    reports: list[UnitReported] = []
    unit = hosted(Sluggish(SPEC, cycling_s=3.0), reports)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(unit.run)
        unit.order(Order(A.INIT, 0))
        unit.order(Order(A.START, 1))
        await trio.sleep(20)
        unit.order(Order(A.STOP, 1))
        await trio.sleep(4)
        assert reports[-1] == UnitReported("u", S.STOP, "", A.STOP)
        nursery.cancel_scope.cancel()


async def test_a_driver_that_cannot_let_go_does_not_keep_its_unit_from_a_new_start(autojump_clock: MockClock) -> None:
    class Stuck(Sluggish):
        async def deinit(self) -> None:
            await trio.sleep_forever()

        async def start(self) -> None:
            raise OSError("gone")

    reports: list[UnitReported] = []
    await run_for(hosted(Stuck(SPEC), reports), 60, A.INIT, A.START, A.INIT)
    assert [report.state for report in reports] == [S.INIT, S.FATAL_ERROR, S.INIT]
