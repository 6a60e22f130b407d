import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.errors import UsageError
from mesh.model.dataset import Attribute
from mesh.model.quantity import AttributeType, number
from mesh.model.resolve import UnitSpec
from mesh.units.driver import RecoverableError, Values
from mesh.units.signal import signal_of
from mesh.units.simulated import DRIFT_NAME, SimulatedDriver

LIMITS = st.none() | st.sampled_from(["", "0", "1", "100", "-5.5", "0x10", "1e-9", "10000000", 7, 2.5])
ATTRIBUTES = st.builds(
    Attribute,
    type=st.none() | st.sampled_from(AttributeType),
    default=LIMITS | st.just("asse3.t.zip"),
    min=LIMITS,
    max=LIMITS,
    vector=st.none() | st.booleans(),
)


async def cycles(attributes: dict[str, Attribute], count: int, unit: str = "BTF/DIPOLE/D1") -> list[Values]:
    spec = UnitSpec(unit=unit, attributes=attributes)
    driver = SimulatedDriver(spec)
    await driver.init(spec)
    return [await driver.cycle() for _ in range(count)]


async def initialized(**attributes: Attribute) -> SimulatedDriver:
    spec = UnitSpec(unit="u", attributes=attributes)
    driver = SimulatedDriver(spec)
    await driver.init(spec)
    return driver


async def test_the_values_depend_on_nothing_but_the_unit_and_the_cycle() -> None:
    attributes = {"current": Attribute(default="20", min="0", max="100")}
    assert await cycles(attributes, 5) == await cycles(attributes, 5)
    assert await cycles(attributes, 5) != await cycles(attributes, 5, unit="BTF/DIPOLE/D2")


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from("abc"), ATTRIBUTES, max_size=3))
async def test_every_unit_moves_inside_its_limits(attributes: dict[str, Attribute]) -> None:
    seen = await cycles(attributes, 40)
    assert len({str(values) for values in seen}) > 1
    for name, attribute in attributes.items():
        if signal := signal_of(name, attribute):
            shown = [number(values[name]) for values in seen]
            assert all(value is not None and signal.low <= value <= signal.high for value in shown)


async def test_a_switch_keeps_its_setting_and_stays_an_integer() -> None:
    seen = await cycles({"bypass": Attribute(default="1", min="0", max="1")}, 50)
    assert {repr(values["bypass"]) for values in seen} == {"1"}
    assert len({values[DRIFT_NAME] for values in seen}) > 10


async def test_a_unit_without_attributes_drifts() -> None:
    seen = await cycles({}, 50)
    assert len({values[DRIFT_NAME] for values in seen}) > 10


async def test_a_text_is_echoed() -> None:
    assert (await cycles({"file": Attribute(default="asse3.t.zip")}, 1))[0]["file"] == "asse3.t.zip"


async def test_a_readback_lags_behind_its_setpoint_and_arrives() -> None:
    driver = await initialized(current=Attribute(default="0.0", min="0", max="100"))
    await driver.set_inputs({"current": "50"})
    values = [number((await driver.cycle())["current"]) or 0 for _ in range(30)]
    assert 5 < values[0] < 20
    assert abs(values[-1] - 50) < 2


@pytest.mark.parametrize("inputs", [{"current": 101}, {"current": "much"}, {"voltage": 1}])
async def test_a_wrong_setpoint_is_refused_and_nothing_is_set(inputs: Values) -> None:
    driver = await initialized(current=Attribute(default="0.0", min="0", max="100"), gain=Attribute(default="1.0"))
    with pytest.raises(UsageError) as refused:
        await driver.set_inputs({"gain": 50} | inputs)
    assert refused.value.field in inputs
    assert abs((number((await driver.cycle())["gain"]) or 0) - 1) < 0.1


async def test_a_trip_is_recoverable_and_a_crash_is_not() -> None:
    driver = await initialized()
    await driver.command("trip", {})
    with pytest.raises(RecoverableError):
        await driver.cycle()
    await driver.recover()
    await driver.cycle()
    await driver.command("crash", {"reason": "smoke"})
    with pytest.raises(RuntimeError, match="smoke"):
        await driver.cycle()
    with pytest.raises(UsageError):
        await driver.command("dance", {})
