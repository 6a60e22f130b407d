"""Every knob once: unit, default, reason.

Invariant: a configuration is an immutable value made at start; nothing reads one at import.
"""

import tomllib
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from mesh.errors import UsageError

PREFIX = "MESH_"  # Of environment variables; two underscores part the section from the knob.


class GossipConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of membership and dissemination. Times are seconds. `PROFILES` holds sets of them under names."""

    profile: str = "lan"  # The set from which the others are taken where they are not given.
    probe_interval_s: float = 1.0  # SWIM's protocol period; memberlist's LAN profile uses the same.
    probe_timeout_s: float = 0.5  # Three round trips on a poor link.
    indirect_probes: int = 3  # Helpers asked after a missed ack (SWIM §3.1, k).
    again_periods: float = (
        2.0  # Who did not answer directly is asked again so many probe intervals later, then twice as many; 0: never.
    )
    suspicion_factor: float = (
        1.65  # A confirmed suspicion lasts factor * max(1, log10 N) probe intervals (Lifeguard α).
    )
    suspicion_floor: float = 2.0  # And at least so many probe intervals: a paused process has to come back.
    suspicion_spread: float = 8.0  # An unconfirmed one lasts so many times longer (Lifeguard β).
    confirmations: int = 2  # Voices beside the first accuser's that make a suspicion a confirmed one (Lifeguard K).
    confirm_fanout: float = 4.0  # How many members probe a new suspect at once, in the mean of the whole mesh; 0: none.
    voice_health_max: int = 1  # Whose local health is worse than this is no voice; 7: everybody is.
    health_max: int = 7  # Local health slows probes down up to 1 + so many times (Lifeguard S - 1); 0: never.
    nacks: bool = (
        True  # A helper says that it had no answer, so that silence of helpers tells about oneself (Lifeguard).
    )
    buddy: bool = True  # The accusation rides first on a probe of the accused (Lifeguard's buddy system).
    adaptive_timeouts: bool = True  # A member's time-out follows its measured round trips (RFC 6298).
    heed_stalls: bool = True  # Time in which this process did not run, or heard nobody, does not count against others.
    stream_probe: bool = True  # Who does not answer a datagram is also asked over a stream, beside the helpers.
    heed_streams: bool = True  # A stream that ends, and a dial that is refused, make a suspect at once.
    hold_periods: float = (
        60.0  # Who refutes again and again is unsteady for so many probe intervals (RFC 2439); 0: never.
    )
    gossip_interval_s: float = 0.2  # How often queued news leaves outside probes.
    gossip_fanout: int = 3  # To how many members each time.
    retransmit_factor: float = 4.0  # News is sent factor * ceil(log10(N + 1)) times by each member.
    feedback: bool = (
        True  # News heard again counts as sent (Demers et al. 1987), and old news alone is no reason to write.
    )
    links_max: int = 8  # Members linked with a node (DESIGN §8); a mesh no larger needs no links.
    direct_max: int = (
        40  # Whoever has news tells so many others himself, the nodes of one site, and nobody passes it on.
    )
    eager_min: int = 4  # Links on which news leaves at once and that are not given up: two parents and two children.
    budget_byte_s: float = 40e6  # What news of ledger and boards may take of the network: a third of 1 Gbit/s.
    sync_interval_s: float = 1.0  # At most one roster and one ledger reconciliation is begun in this time.
    redial_interval_s: float = 5.0  # One absent entry is dialled this often, for ever: a partition heals within 20 s.
    seeds_interval_s: float = (
        60.0  # A mesh looks its seeds up once in this time, all members together: a name may lead elsewhere by now.
    )
    opening_s: float = 2.0  # How long a starting node asks for its own head before its first write (DESIGN §4).


class LedgerConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How much room batches may take that cannot be applied yet, and how much is read at once for an end."""

    held_per_writer_max: int = 1_024  # One writer that waits for something lost may not fill every disk.
    held_batches_max: int = (
        16_384  # Of all writers: sixteen at their limit, more than a site of 31 servers loses at once.
    )
    held_bytes_max: int = 256 * 1024 * 1024  # So that held batches cannot crowd out applied ones on a small disk.
    ending_bytes: int = 64 * 1024  # Of the log, read at once for an end that is to be applied: about 1 ms.


class StorageConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """How a node uses its own disk and looks after it. Times are seconds."""

    map_bytes: int = 64 << 30  # What a file may grow to: addresses that are reserved, not space that is taken.
    scrub_interval_s: float = 3600.0  # Each time the log and a sixteenth of the cells are read: all of it in 16 hours.
    page_walk_interval_s: float = 3600.0  # Each time a process of its own reads all pages: some 11 ms of a core per MB.
    scrub_pause_s: float = 0.02  # Between two steps of at most 2 ms: a scrub takes a tenth of one core while it lasts.


_MEMBERLIST = GossipConfig(
    profile="lifeguard",
    suspicion_factor=5.0,
    suspicion_floor=1.0,
    suspicion_spread=6.0,
    confirmations=3,
    confirm_fanout=0.0,
    again_periods=0.0,
    voice_health_max=7,
    adaptive_timeouts=False,
    heed_stalls=False,
    stream_probe=False,
    heed_streams=False,
    hold_periods=0.0,
    feedback=False,
)

PROFILES = {
    "lan": GossipConfig(),
    "wan": GossipConfig(
        profile="wan",
        probe_interval_s=2.0,  # Round trips of 300 ms and bursts of loss: memberlist takes 5 s, without adaptive time-outs.
        probe_timeout_s=1.0,
        gossip_interval_s=0.5,
        gossip_fanout=4,
        sync_interval_s=2.0,
    ),
    "local": GossipConfig(profile="local", probe_interval_s=0.5, probe_timeout_s=0.2, gossip_interval_s=0.1),
    "lifeguard": _MEMBERLIST,  # All of Lifeguard and nothing else, as in its paper: α 5, β 6, S 8, K 3.
    "lifeguard4": msgspec.structs.replace(_MEMBERLIST, profile="lifeguard4", suspicion_factor=4.0, confirmations=2),
    "lifeguard2": msgspec.structs.replace(_MEMBERLIST, profile="lifeguard2", suspicion_factor=2.0, confirmations=0),
    "swim": msgspec.structs.replace(
        _MEMBERLIST, profile="swim", suspicion_spread=1.0, confirmations=0, health_max=0, nacks=False, buddy=False
    ),
}


def with_profile(raw: object) -> object:
    """Knobs as they were read, with those of the profile they name put under them. Raises UsageError for an unknown one."""
    if not isinstance(raw, dict) or "profile" not in raw:
        return raw
    chosen = PROFILES.get(raw["profile"])
    if chosen is None:
        raise UsageError(
            f"gossip.profile: one of {', '.join(PROFILES)} was expected, {raw['profile']!r} came",
            field="gossip.profile",
            todo="mesh/config.py lists what each one sets",
        )
    return {**msgspec.structs.asdict(chosen), **raw}


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """All knobs of one node."""

    gossip: GossipConfig = GossipConfig()
    ledger: LedgerConfig = LedgerConfig()
    storage: StorageConfig = StorageConfig()


def read_config(text: str, environment: Mapping[str, str]) -> Config:
    """The configuration in a TOML text, overruled by variables such as `MESH_GOSSIP__PROBE_INTERVAL_S=2`.

    Raises UsageError for what is no TOML, for a knob that does not exist, and for a value of the wrong type.
    """
    try:
        raw: dict[str, object] = tomllib.loads(text)
        for name, value in environment.items():
            _overrule(raw, name, value)
        if "gossip" in raw:
            raw["gossip"] = with_profile(raw["gossip"])
        return msgspec.convert(raw, Config, strict=False)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UsageError(
            f"the configuration cannot be used: {error}", field="config", todo="mesh/config.py lists every knob"
        ) from None


def _overrule(raw: dict[str, object], name: str, value: str) -> None:
    section, _, knob = name.removeprefix(PREFIX).lower().partition("__")
    if name.startswith(PREFIX) and knob:
        found = raw.setdefault(section, {})
        if isinstance(found, dict):
            found[knob] = value
