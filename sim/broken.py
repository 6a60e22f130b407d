"""What a run ends with when a peer does what no peer may do.

Invariant: whoever reads it learns when, where and on what.
"""


class PeerBroken(Exception):
    """A peer raised what no peer may raise. The message tells when, where and on what."""


def explain(error: Exception) -> str:
    """What was raised and where, in one line."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f" ({place.tb_frame.f_globals.get('__name__')}:{place.tb_lineno})" if place is not None else ""
    return f"{type(error).__name__}: {error}{where}"
