"""Streams over which nothing passes any more end, though nobody closed them: a cable was cut, a router forgot them.

Invariant: what was sent is acknowledged by the other machine within `UNHEARD_S`, or the stream breaks; an idle one is asked for
as long as it is open. Its kernel answers, so that a process that stands still keeps its streams.
"""

import socket

import trio

UNHEARD_S = 10  # As long as the simulator's `network.notice_s`; Linux alone waits for a quarter of an hour.
IDLE_S = 15  # Then the other machine is asked: two packets for each open stream.
ASK_AGAIN_S = 5
ASKS = 3


def notice_silence(plain: trio.SocketStream) -> None:
    """Let the machine watch this connection. What it does not know how to do it leaves."""
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", IDLE_S),
        ("TCP_KEEPINTVL", ASK_AGAIN_S),
        ("TCP_KEEPCNT", ASKS),
        ("TCP_USER_TIMEOUT", 1000 * UNHEARD_S),
    ):
        option = getattr(socket, name, None)  # Linux has all of them.
        if option is not None:
            plain.setsockopt(socket.IPPROTO_TCP, option, value)
