"""Everybody who keeps up hears everything; nobody can hold up the loop."""

import pytest
import trio

from mesh.effects import Emit, Visible
from mesh.runtime.announcer import Announcer


async def test_a_listener_hears_everything_in_order() -> None:
    announcer = Announcer()
    with announcer.listen(10) as heard:
        announcer.tell(Emit("one", {}))
        announcer.tell(Emit("two", {}))
        assert [(await heard.receive()), (await heard.receive())] == [Emit("one", {}), Emit("two", {})]
    assert announcer.listeners == 0


async def test_a_listener_hears_only_what_it_asked_for() -> None:
    announcer = Announcer()
    with announcer.listen(1, (Emit,)) as heard:
        announcer.tell(Visible(()))
        announcer.tell(Emit("one", {}))
        assert heard.receive_nowait() == Emit("one", {})
        with pytest.raises(trio.WouldBlock):
            heard.receive_nowait()


async def test_a_slow_listener_is_dropped_after_what_it_had() -> None:
    announcer = Announcer()
    with announcer.listen(1) as heard:
        announcer.tell(Emit("one", {}))
        announcer.tell(Emit("too much", {}))
        assert await heard.receive() == Emit("one", {})
        with pytest.raises(trio.EndOfChannel):
            await heard.receive()
