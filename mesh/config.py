"""Every knob once: unit, default, reason.

Invariant: a configuration is an immutable value made at start; nothing reads one at import.
"""

from msgspec import Struct


class GossipConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of membership and dissemination. Times are seconds."""

    probe_interval_s: float = 1.0  # SWIM's protocol period; memberlist's LAN profile uses the same.
    probe_timeout_s: float = 0.5  # Three round trips on a poor link.
    indirect_probes: int = 3  # Helpers asked after a missed ack (SWIM §3.1, k).
    suspicion_factor: float = 4.0  # Suspicion lasts factor * max(1, log10 N) probe intervals (memberlist α).
    gossip_interval_s: float = 0.2  # How often queued news leaves outside probes.
    gossip_fanout: int = 3  # To how many members each time.
    retransmit_factor: float = 4.0  # News is sent factor * ceil(log10(N + 1)) times by each member.
    push_fanout: int = 8  # Peers to which the origin pushes a batch or a board at once (DESIGN §8: at most 8 links).
    relay_fanout: int = 4  # Peers to which a receiver passes it on, in meshes larger than the push fan-out.
    sync_interval_s: float = 1.0  # At most one roster and one ledger reconciliation is begun in this time.
    redial_interval_s: float = 5.0  # One absent entry is dialled this often, for ever: a partition heals within 20 s.
    opening_s: float = 2.0  # How long a starting node asks for its own head before its first write (DESIGN §4).


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """All knobs of one node."""

    gossip: GossipConfig = GossipConfig()
