"""The name service of a simulated world: names of seeds, one for each and one for all, which may lead elsewhere later.

Invariant: what is no name leads to itself.
"""

from collections.abc import Sequence

from mesh.ids import Address

SEEDS = "seeds.mesh"
LOOK_UP_S = 0.002  # An answer of a server of the site.


def name_of(index: int) -> str:
    """What the node with this index is called, and its host."""
    return f"n{index:04d}"


class Names:
    """Where names lead now."""

    __slots__ = ("_hosts", "_moved")

    def __init__(self, seeds: Sequence[str]) -> None:
        """The name of the seeds leads to these hosts at first."""
        self._hosts = tuple(seeds)
        self._moved: dict[str, str] = {}

    def point(self, hosts: Sequence[str]) -> None:
        """The name of the seeds leads to these hosts from now on; to none: nobody knows it."""
        self._hosts = tuple(hosts)

    def move(self, name: str, host: str) -> None:
        """A machine's own name leads to this host from now on."""
        self._moved[name] = host

    def behind(self, at: Address) -> tuple[Address, ...]:
        """All addresses behind `at`."""
        hosts = self._hosts if at.host == SEEDS else (at.host,)
        return tuple(Address(self._moved.get(host, host), at.port) for host in hosts)
