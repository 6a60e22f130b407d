"""The first request on a connection is looked at, and nothing of it is taken."""

import pytest
import trio
import trio.testing

from mesh.api.head import Head, is_foreign_page, parse_head, read_head
from mesh.transport.prefixed import PrefixedStream
from tests.runtime.meshes import until

UPGRADE = b"GET /v1/ws?x=1 HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n"


async def pair() -> tuple[trio.SocketStream, PrefixedStream]:
    near, far = trio.socket.socketpair()
    return trio.SocketStream(near), PrefixedStream(trio.SocketStream(far))


async def test_a_head_in_pieces_is_read_and_left_there() -> None:
    near, far = await pair()
    heads: list[Head | None] = []

    async def read() -> None:
        heads.append(await read_head(far))

    async with near, far, trio.open_nursery() as nursery:
        await near.send_all(UPGRADE[:30])
        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        await near.send_all(UPGRADE[30:] + b"rest")
        await until(lambda: bool(heads))
        assert heads[0] is not None
        assert (heads[0].path, heads[0].wants_websocket) == ("/v1/ws", True)
        assert await far.receive_some() == UPGRADE + b"rest"


async def test_who_leaves_without_a_word_sent_nothing() -> None:
    near, far = await pair()
    async with far:
        await near.aclose()
        assert await read_head(far) is None


@pytest.mark.parametrize(
    "seen",
    [
        b"",
        b"\x00\x01",
        b"GET /v1/ws",
        b"nonsense\r\n\r\n",
        b"POST /v1/ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
    ],
)
def test_what_is_no_upgrade_is_left_to_http(seen: bytes) -> None:
    head = parse_head(seen)
    assert head is not None
    assert not head.wants_websocket


@pytest.mark.parametrize(
    ("origin", "host", "foreign"),
    [
        (None, "a:1", False),
        ("http://a:1", "a:1", False),
        ("https://A:1", "a:1", False),
        ("http://b:1", "a:1", True),
        ("http://a:2", "a:1", True),
        ("null", "a:1", True),
        ("http://a:1", None, True),
    ],
)
def test_a_page_of_another_site_is_known_by_its_origin(origin: str | None, host: str | None, foreign: bool) -> None:
    assert is_foreign_page(origin, host) is foreign
