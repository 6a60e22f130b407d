"""Redial never forgets anybody: a partition of any length heals without hands (DESIGN §7).

Invariant: as long as any entry of the peer book or any seed is absent, one of them is dialled every `redial_interval_s`;
what failed longest ago comes first.
"""

from random import Random

import msgspec
from msgspec import Struct

from mesh.config import GossipConfig
from mesh.crdt.replica import Replica, Table
from mesh.effects import Dial, Emit, GossipEffect
from mesh.events import Connected, DialFailed, Found, Tick
from mesh.gossip.roster import Roster
from mesh.gossip.seeds import Seeds
from mesh.ids import Address, NodeId
from mesh.messages import Claim, SignedClaim

FIRST_ROUND_MAX = 16  # At start several are dialled at once, so that one dead seed costs no time.
ALONE_INTERVAL_S = 0.5  # Who just started and knows nobody tries often: its seeds start at the same time.
ALONE_S = 30.0


class Known(Struct, frozen=True):
    """An address from the peer book or from the configuration."""

    at: Address


RedialEvent = Known | Connected | DialFailed | Found | Tick


class Redial:
    """Dials members that are absent, and seeds that were not met yet."""

    __slots__ = (
        "_at",
        "_began",
        "_config",
        "_known",
        "_met",
        "_rests",
        "_rng",
        "_roster",
        "_seeds",
        "_seen",
        "_tried",
        "_turned_away",
    )

    def __init__(
        self, roster: Roster, config: GossipConfig, rng: Random, now: float, seeds: tuple[Address, ...] = ()
    ) -> None:
        self._roster, self._config, self._rng = roster, config, rng
        self._tried: dict[Address, float] = {}
        self._known: dict[Address, None] = {}
        self._met: dict[
            Address, NodeId
        ] = {}  # Who answered where we dialled: a seed may be a name or a forwarded port.
        self._turned_away: dict[Address, str] = {}
        self._at = self._began = now
        # It rests while nobody is absent and the roster stays as it was seen.
        self._rests, self._seen = False, roster.changes
        self._seeds = Seeds(seeds, roster, config, rng, now)
        for at in seeds:
            self.handle(Known(at), now)

    def deadline(self) -> float:
        """When the next absent entry is dialled, or the seeds are looked up."""
        resting = self._rests and self._seen == self._roster.changes
        return self._seeds.deadline() if resting else min(self._at, self._seeds.deadline())

    def handle(self, event: RedialEvent, now: float) -> list[GossipEffect]:
        """React to one event."""
        match event:
            case Known(at):
                if at != self._roster.own.claim.address:
                    self._known[at] = None
                    self._wake(now)
                return []
            case Connected(node, at, True):
                self._tried[at] = now
                self._met[at] = node
                return []
            case DialFailed(at):
                self._tried[at] = now
                self._met.pop(at, None)
                self._wake(now)
                return self._on_turned_away(event) if event.turned_away else []
            case Connected():
                return []  # It came to us, from a port where it does not listen.
            case Tick():
                return [*self._seeds.tick(now), *self._on_tick(now)]
            case Found(_, addresses):
                return self._seeds.found([at for at in addresses if self._met.get(at) != self._roster.me])

    def _on_turned_away(self, failed: DialFailed) -> list[GossipEffect]:
        """Tell once that a peer does not let this node in, and why: its admin may have ended it."""
        if self._turned_away.get(failed.at) == failed.reason:
            return []
        self._turned_away[failed.at] = failed.reason
        return [Emit("peer.refused", {"at": str(failed.at), "reason": failed.reason})]

    def _on_tick(self, now: float) -> list[GossipEffect]:
        if self._rests and self._seen != self._roster.changes:
            self._wake(now)
        if self._rests or now < self._at:
            return []
        alone = not self._roster.others() and now - self._began < ALONE_S
        pause_s = min(ALONE_INTERVAL_S, self._config.redial_interval_s) if alone else self._config.redial_interval_s
        self._at = now + pause_s * (0.75 + self._rng.random() / 2)
        absent = self.absent()
        self._rests, self._seen = not absent, self._roster.changes
        chosen = absent[: FIRST_ROUND_MAX if alone else 1]
        for at in chosen:
            self._tried[at] = now
        return [Dial(at) for at in chosen]

    def _wake(self, now: float) -> None:
        """Somebody may be absent now. Those who see that at one moment do not dial at one moment."""
        if self._rests:
            self._rests = False
            self._at = max(self._at, now + self._config.redial_interval_s * self._rng.random())

    def absent(self) -> list[Address]:
        """Addresses at which nobody takes part at present, the longest untried first."""
        members = [member.claim.address for member in self._roster.absent()]
        wanted = [at for at in dict.fromkeys((*self._known, *members)) if not self._is_met(at)]
        return sorted(wanted, key=lambda at: self._tried.get(at, float("-inf")))

    def _is_met(self, at: Address) -> bool:
        """Whether somebody takes part who listens there, or answered there."""
        if at == self._roster.own.claim.address or self._roster.at(at):
            return True
        met = self._met.get(at)
        return met is not None and (met == self._roster.me or self._roster.takes_part(met))


def read_book(soft: Replica) -> list[Address]:
    """Where members that were ever met used to listen. An entry that cannot be read is passed over."""
    with soft.read() as reader:
        found = [_address_in(row) for _, row in reader.scan(Table.BOOK)]
    return [address for address in found if address is not None]


def _address_in(row: bytes) -> Address | None:
    try:
        signed = msgspec.msgpack.decode(row, type=SignedClaim)
        return msgspec.msgpack.decode(signed.body, type=Claim).address
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
