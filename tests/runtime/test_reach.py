"""A node's row of whom it reaches changes only where that means something; seeds may be names."""

from contextlib import AsyncExitStack
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mesh.events import Received
from mesh.ids import Address
from mesh.messages import Accusation, Gossip, Standing
from mesh.runtime.node import Options
from mesh.runtime.reach import Reach, reach, steadied
from mesh.runtime.start import open_node
from tests.runtime.meshes import QUICK, make_folders, until


@given(st.floats(0.01, 10_000.0), st.floats(0.6, 1.6))
def test_an_answer_that_takes_about_as_long_as_before_changes_nothing(rtt_ms: float, noise: float) -> None:
    first = steadied(rtt_ms, None)
    assert first >= rtt_ms
    assert steadied(rtt_ms * noise, first) == first


def test_an_answer_of_another_order_does() -> None:
    assert steadied(50.0, 1) == 64
    assert steadied(0.4, 64) == 1


async def test_two_nodes_reach_each_other_by_a_seeds_name_and_say_whom_they_do_not_hear(tmp_path: Path) -> None:
    make_folders(tmp_path, "a", "b")
    async with AsyncExitStack() as stack:
        a = await stack.enter_async_context(open_node(tmp_path / "a", Options(config=QUICK)))
        named = Options(seeds=(Address("localhost", a.address.port),), config=QUICK)
        b = await stack.enter_async_context(open_node(tmp_path / "b", named))
        await until(lambda: list(reach(a.loop.peer, Reach()).reached) == ["b"])
        await until(lambda: list(reach(b.loop.peer, Reach()).reached) == ["a"])
        claim, me = b.loop.peer.roster.own.claim, a.loop.peer.roster.me
        said = Accusation(claim.node, claim.boot, claim.counter, Standing.SUSPECT, me, (me,))
        a.loop.peer.handle(Received(me, a.address, Gossip((said,))), a.loop.clock.now())
        assert reach(a.loop.peer, Reach()) == Reach({}, ["b"])
