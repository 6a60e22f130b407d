from collections.abc import AsyncIterator, Callable
from math import inf
from random import Random

import pytest
import trio
from trio.testing import MockClock

from mesh.errors import NotFound, Refused, UsageError
from mesh.model.lifecycle import Action, UnitState
from mesh.model.resolve import UnitSpec
from mesh.supervision import (
    Adopt,
    Perform,
    Retire,
    Supervision,
    Tick,
    UnitReported,
    UnitRetired,
    UnitUnwanted,
    UnitWanted,
)
from mesh.units.driver import RecoverableError, Values
from mesh.units.host import SHUTDOWN_S_MAX, UnitHost
from mesh.units.simulated import SimulatedDriver

UNIT = "BTF/DIPOLE/D1"
S, A = UnitState, Action


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await trio.sleep(0.1)


class Bench:
    """A device on the test bench: says what was asked of it, and fails or hangs where told to."""

    def __init__(self, faults: dict[str, Exception | float], said: list[str]) -> None:
        self.faults = faults
        self.said = said

    async def _do(self, what: str) -> None:
        self.said.append(what)
        match self.faults.get(what):
            case Exception() as fault:
                raise fault
            case float() as seconds:
                await trio.sleep(seconds)
            case _:
                await trio.lowlevel.checkpoint()

    async def init(self, spec: UnitSpec) -> None:
        await self._do("init")

    async def start(self) -> None:
        await self._do("start")

    async def stop(self) -> None:
        await self._do("stop")

    async def deinit(self) -> None:
        await self._do("deinit")

    async def recover(self) -> None:
        await self._do("recover")

    async def cycle(self) -> Values:
        await self._do("cycle")
        return {"value": self.said.count("cycle")}

    async def set_inputs(self, inputs: Values) -> None:
        await self._do("set_inputs")

    async def command(self, alias: str, parameters: Values) -> object:
        await self._do(alias)
        return parameters


class Rig:
    """A host with one bench device, and everything that it reported and published."""

    def __init__(self) -> None:
        self.faults: dict[str, Exception | float] = {}
        self.said: list[str] = []
        self.reports: list[UnitReported | UnitRetired] = []
        self.items: list[dict[str, object] | None] = []
        self.host = UnitHost(
            lambda spec: Bench(self.faults, self.said),
            self.reports.append,
            lambda topic, item: self.items.append(item),
            now_ms=lambda: int(trio.current_time() * 1000),
        )

    def adopt(self, delay_us: int = 1_000_000) -> None:
        self.host.apply([Adopt(UNIT, UnitSpec(unit=UNIT, schedule_delay_us=delay_us))])

    async def perform(self, *actions: Action) -> UnitReported:
        for action in actions:
            before = len(self.reports)
            self.host.apply([Perform(UNIT, action, 7)])
            await until(lambda before=before: len(self.reports) > before)
        report = self.reports[-1]
        assert isinstance(report, UnitReported)
        return report

    @property
    def statuses(self) -> list[object]:
        words = [item["status"] for item in self.items if item is not None]
        return [word for place, word in enumerate(words) if place == 0 or words[place - 1] != word]


@pytest.fixture
async def rig(nursery: trio.Nursery) -> AsyncIterator[Rig]:
    made = Rig()
    await nursery.start(made.host.run)
    made.adopt()
    yield made
    nursery.cancel_scope.cancel()


async def test_an_adopted_unit_is_published_before_anything_is_done(rig: Rig, autojump_clock: MockClock) -> None:
    assert rig.items[0] is not None
    assert rig.items[0]["state"] == "DEINIT"
    assert rig.said == []


async def test_actions_are_done_and_reported(rig: Rig, autojump_clock: MockClock) -> None:
    assert await rig.perform(A.INIT) == UnitReported(UNIT, S.INIT, "", A.INIT)
    assert await rig.perform(A.START) == UnitReported(UNIT, S.START, "", A.START)
    assert await rig.perform(A.START) == UnitReported(UNIT, S.START, "", A.START)
    assert await rig.perform(A.STOP, A.DEINIT) == UnitReported(UNIT, S.DEINIT, "", A.DEINIT)
    assert [said for said in rig.said if said != "cycle"] == ["init", "start", "stop", "deinit"]
    assert rig.statuses == [
        *("Deinit", "Initializing", "Init", "Starting", "Start", "Stopping", "Stop", "Deinitializing", "Deinit"),
    ]


async def test_a_started_unit_cycles_at_its_delay_and_is_published_every_second(
    rig: Rig, autojump_clock: MockClock
) -> None:
    await rig.perform(A.INIT, A.START)
    cycles, items = rig.said.count("cycle"), len(rig.items)
    await trio.sleep(10)
    assert 9 <= rig.said.count("cycle") - cycles <= 11
    assert 9 <= len(rig.items) - items <= 11
    last = rig.items[-1]
    assert last is not None
    assert last["values"] == {"value": last["cycle"]}
    assert (last["run_id"], last["healthy"], last["error"]) == (7, True, "")


async def test_the_fastest_cycle_is_a_tenth_of_a_second(rig: Rig, autojump_clock: MockClock) -> None:
    rig.adopt(delay_us=1)
    await rig.perform(A.INIT, A.START)
    before = rig.said.count("cycle")
    await trio.sleep(10)
    assert 95 <= rig.said.count("cycle") - before <= 105


async def test_an_action_that_the_table_does_not_know_is_refused_and_reported(
    rig: Rig, autojump_clock: MockClock
) -> None:
    report = await rig.perform(A.START)
    assert report.state is S.DEINIT
    assert "not possible" in report.error
    assert rig.said == []


async def test_an_exception_in_an_action_is_fatal_and_init_makes_a_new_driver(
    rig: Rig, autojump_clock: MockClock
) -> None:
    rig.faults["start"] = OSError("no such device")
    report = await rig.perform(A.INIT, A.START)
    assert report == UnitReported(UNIT, S.FATAL_ERROR, "no such device", A.START)
    rig.faults.clear()
    assert (await rig.perform(A.INIT, A.START)).state is S.START
    assert rig.said[:5] == ["init", "start", "deinit", "init", "start"]


async def test_an_action_that_hangs_is_given_up(rig: Rig, autojump_clock: MockClock) -> None:
    rig.faults["init"] = inf
    before = trio.current_time()
    report = await rig.perform(A.INIT)
    assert report.state is S.FATAL_ERROR
    assert "did not answer within 20 s" in report.error
    assert trio.current_time() - before < 21


async def test_a_cycle_that_trips_is_reported_and_recovered_to_where_it_was(
    rig: Rig, autojump_clock: MockClock
) -> None:
    await rig.perform(A.INIT, A.START)
    rig.faults["cycle"] = RecoverableError("interlock")
    await trio.sleep(2)
    assert rig.reports[-1] == UnitReported(UNIT, S.RECOVERABLE_ERROR, "interlock")
    assert rig.items[-1] is not None
    assert rig.items[-1]["healthy"] is False
    rig.faults.clear()
    assert await rig.perform(A.RECOVER) == UnitReported(UNIT, S.START, "", A.RECOVER)


async def test_a_recovery_can_be_vetoed(rig: Rig, autojump_clock: MockClock) -> None:
    rig.faults |= {"recover": RecoverableError("still hot"), "start": RecoverableError("hot")}
    assert (await rig.perform(A.INIT, A.START)).state is S.RECOVERABLE_ERROR
    assert await rig.perform(A.RECOVER) == UnitReported(UNIT, S.RECOVERABLE_ERROR, "still hot", A.RECOVER)


async def test_a_driver_that_hangs_in_its_cycle_is_shown_as_not_healthy(rig: Rig, autojump_clock: MockClock) -> None:
    await rig.perform(A.INIT, A.START)
    rig.faults["cycle"] = inf
    await trio.sleep(10)
    assert rig.items[-1] is not None
    assert (rig.items[-1]["state"], rig.items[-1]["healthy"]) == ("START", False)
    await trio.sleep(12)
    assert rig.items[-1]["state"] == "FATAL_ERROR"


async def test_a_retired_unit_is_stopped_closed_and_taken_away(rig: Rig, autojump_clock: MockClock) -> None:
    await rig.perform(A.INIT, A.START)
    rig.host.apply([Retire(UNIT)])
    await trio.sleep(1)
    assert rig.reports[-1] == UnitRetired(UNIT)
    assert rig.items[-1] is None
    assert rig.said[-2:] == ["stop", "deinit"]
    with pytest.raises(NotFound):
        await rig.host.command(UNIT, "home", {})


async def test_a_command_reaches_a_started_unit_only(rig: Rig, autojump_clock: MockClock) -> None:
    with pytest.raises(Refused):
        await rig.host.command(UNIT, "home", {"speed": 1})
    await rig.perform(A.INIT, A.START)
    assert await rig.host.command(UNIT, "home", {"speed": 1}) == {"speed": 1}
    await rig.host.set_inputs(UNIT, {"position": 1})
    assert rig.said[-1] == "set_inputs"


async def test_a_wrong_command_harms_nobody_and_a_failing_one_is_an_error_of_the_unit(
    rig: Rig, autojump_clock: MockClock
) -> None:
    await rig.perform(A.INIT, A.START)
    rig.faults |= {"wrong": UsageError("no such command"), "bad": ValueError("overcurrent")}
    with pytest.raises(UsageError, match="no such command"):
        await rig.host.command(UNIT, "wrong", {})
    assert rig.host.status()[f"unit/{UNIT}"]["state"] == "START"
    with pytest.raises(Refused, match="overcurrent"):
        await rig.host.command(UNIT, "bad", {})
    await trio.sleep(3)
    assert rig.host.status()[f"unit/{UNIT}"]["state"] == "FATAL_ERROR"


@pytest.mark.parametrize(("hang", "bound_s"), [(None, 1.0), ("stop", SHUTDOWN_S_MAX + 0.1)])
async def test_cancelling_the_host_stops_and_closes_its_units_within_a_bound(
    hang: str | None, bound_s: float, autojump_clock: MockClock
) -> None:
    made = Rig()
    async with trio.open_nursery() as nursery:
        await nursery.start(made.host.run)
        made.adopt()
        await made.perform(A.INIT, A.START)
        if hang is not None:
            made.faults[hang] = inf
        before = trio.current_time()
        nursery.cancel_scope.cancel()
    assert trio.current_time() - before <= bound_s
    assert "stop" in made.said
    assert hang is not None or made.said[-1] == "deinit"


async def test_supervision_and_host_together_keep_a_simulated_unit_running(
    autojump_clock: MockClock,
) -> None:
    core = Supervision(Random(1), {})
    items: dict[str, dict[str, object]] = {}

    def feed(event: UnitWanted | UnitUnwanted | UnitReported | UnitRetired | Tick) -> None:
        host.apply(core.handle(event, trio.current_time()))

    def publish(topic: str, item: dict[str, object] | None) -> None:
        items.pop(topic, None) if item is None else items.update({topic: item})

    async def tick() -> None:
        while True:
            await trio.sleep(0.1)
            feed(Tick())

    def state() -> object:
        return items.get(f"unit/{UNIT}", {}).get("state")

    host = UnitHost(SimulatedDriver, feed, publish)
    async with trio.open_nursery() as nursery:
        await nursery.start(host.run)
        nursery.start_soon(tick)
        feed(UnitWanted(UNIT, S.START, UnitSpec(unit=UNIT)))
        await until(lambda: state() == "START")
        await host.command(UNIT, "crash", {})
        await until(lambda: state() == "FATAL_ERROR")
        await until(lambda: state() == "START")
        assert items[f"unit/{UNIT}"]["run_id"] == 2
        feed(UnitUnwanted(UNIT))
        await until(lambda: not items)
        nursery.cancel_scope.cancel()
