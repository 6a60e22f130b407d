"""The keeper brings this node's configuration to its supervision, and the supervision's wishes to the driver host.

Invariant: exactly the units whose `host` names this node are wanted here, as the durable configuration says, and none once this
node stands back for a copy of its disk; what it publishes goes to this node's own board alone.
"""

from collections.abc import Callable
from random import Random

import trio

from mesh.crdt.replica import Reader
from mesh.crdt.view import changes_policies, read_record, scan_records
from mesh.effects import Emit, Visible
from mesh.ids import RecordId
from mesh.model.fields import unflatten
from mesh.model.lifecycle import UnitState
from mesh.model.resolve import UnitSpec, resolve
from mesh.runtime.announcer import Announcement
from mesh.runtime.node import Node
from mesh.supervision import Event, Supervision, Tick, UnitUnwanted, UnitWanted
from mesh.units.driver import DriverFactory
from mesh.units.host import UnitHost, topic_of

BACKLOG = 1_000  # Announcements; behind that the keeper reads the whole configuration again.
SLICE = 32  # Units read between two turns of the loop: about two milliseconds.


class Keeper:
    """Runs the units of one node."""

    def __init__(self, node: Node, make_driver: DriverFactory, rng: Random) -> None:
        self._node = node
        self._supervision = Supervision(rng, _run_ids(node))
        self.host = UnitHost(make_driver, self._tell, node.publish)
        self._wake = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the units until cancelled; then they are stopped and deinitialized."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.host.run)
            nursery.start_soon(self._tick_for_ever)
            task_status.started()
            while True:
                await self._follow()

    async def _follow(self) -> None:
        """Read the whole configuration, then follow its changes for as long as they do not come too fast."""
        with self._node.listen(BACKLOG, (Visible, Emit)) as announcements:
            await self._read_all()
            async for announcement in announcements:
                if isinstance(announcement, Visible):
                    self._on_visible(announcement)
                if _concerns_all(announcement):
                    await self._read_all()

    def _tell(self, event: Event) -> None:
        self.host.apply(self._supervision.handle(event, trio.current_time()))
        self._wake.set()

    async def _tick_for_ever(self) -> None:
        while True:
            self._wake = trio.Event()
            with trio.move_on_at(self._supervision.deadline()):
                await self._wake.wait()
            if trio.current_time() >= self._supervision.deadline():
                self._tell(Tick())

    async def _read_all(self) -> None:
        """Compare what is wanted with the whole configuration."""
        with self._node.read() as reader:
            names = [stored.record.key for stored in scan_records(reader, "unit")]
        for start in range(0, len(names), SLICE):
            self._read_units(names[start : start + SLICE])
            await trio.lowlevel.checkpoint()
        self._read_units([unit for unit in self._supervision.wanted() if unit not in names])

    def _on_visible(self, visible: Visible) -> None:
        records = dict.fromkeys(change.record for opened in visible.batches for change in opened.content.changes)
        units = [record.key for record in records if record.collection == "unit"]
        if any(record.collection in ("template", "dataset") for record in records):
            units += self._supervision.wanted()
        if units:
            self._read_units(list(dict.fromkeys(units)))

    def _read_units(self, units: list[str]) -> None:
        events: list[Event] = []
        with self._node.read() as reader:
            for unit in units:
                wanted = wanted_here(reader, unit, self._node.name)
                events.append(wanted if not self._node.stands_back else UnitUnwanted(unit))
        for event in events:
            self._tell(event)


def _concerns_all(announcement: Announcement) -> bool:
    """Whether any unit may have to be run otherwise: a policy may show another host, or this node stands back for a copy."""
    if isinstance(announcement, Visible):
        return changes_policies(announcement.batches)
    return isinstance(announcement, Emit) and announcement.name == "member.copied"


def wanted_here(reader: Reader, unit: str, host: str) -> UnitWanted | UnitUnwanted:
    """What the configuration says about one unit on one host."""
    record = lookup(reader)(RecordId("unit", unit))
    if record is None or record.get("host") != host:
        return UnitUnwanted(unit)
    desired = str(record.get("desired") or UnitState.DEINIT.name)
    known = UnitState.__members__.get(desired, UnitState.DEINIT)
    return UnitWanted(unit, known, _spec(reader, unit))


def _spec(reader: Reader, unit: str) -> UnitSpec:
    return resolve(unit, lookup(reader))


def lookup(reader: Reader) -> Callable[[RecordId], dict[str, object] | None]:
    """Records of one committed state, as the model looks them up."""

    def find(record: RecordId) -> dict[str, object] | None:
        stored = read_record(reader, record)
        return unflatten(stored.fields()) if stored is not None and stored.exists else None

    return find


def _run_ids(node: Node) -> dict[str, int]:
    """The run ids of this node's last life, from its own board."""
    prefix = topic_of("")
    rows = [row for row in node.state(prefix) if row.owner_node == node.identity.node.hex()]
    values = {row.topic.removeprefix(prefix): row.value for row in rows}
    found = {unit: value.get("run_id") for unit, value in values.items() if isinstance(value, dict)}
    return {unit: run_id for unit, run_id in found.items() if isinstance(run_id, int)}
