"""What can go wrong between two machines.

Invariant: every reason is a sentence part that a person can read after "peer 10.0.0.3:7300: ".
"""

from mesh.errors import MeshError

PORT_MAX = 65_535  # The name service silently takes larger ones modulo 65,536.


class ConnectFailed(MeshError):
    """No stream between two peers came about; `reason` says why, for people. Nothing is left open.

    `refused`: the machine answered, and nobody listens on that port. `turned_away`: a node listens and does not let this one in.
    """

    def __init__(self, reason: str, refused: bool = False, turned_away: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.refused, self.turned_away = reason, refused, turned_away


class StreamBroken(MeshError):
    """The stream ended where no frame ends. What was sent last may or may not have arrived."""
