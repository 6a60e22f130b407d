"""Commands that look: watch, members, why, state.

Invariant: what is enabled, what is healthy and what is reachable stand in columns of their own.
"""

from typing import TYPE_CHECKING, Literal

from mesh.cli.options import DEFAULT, Common
from mesh.cli.output import compact, note, show_json, show_line, show_table, show_text
from mesh.cli.records import moment

if TYPE_CHECKING:
    from mesh.client import Event
    from mesh.client.answers import Row
    from mesh.runtime.rows import EvidenceRow, Why

SIGNS = {"CREATE": "+", "UPDATE": "~", "REMOVE": "-", "SNAPSHOT": "=", "RESET": "!", "SYNC": ".", "BOOKMARK": "."}
STYLES = {"CREATE": "green", "REMOVE": "red", "RESET": "yellow", "SYNC": "dim", "BOOKMARK": "dim"}


async def watch(
    collection: str = "",
    *,
    prefix: str = "",
    kind: Literal["records", "state", "members"] = "records",
    resume: str = "",
    common: Common = DEFAULT,
) -> None:
    """Print one line per change, until Ctrl-C; when the peer goes away, go on at another one.

    Parameters
    ----------
    collection
        Such as unit; only for records.
    prefix
        Only keys, or topics, that start with this.
    kind
        What to watch.
    resume
        A token from an earlier watch: only what is newer is printed.
    """
    async with common.client() as client, client.watch(collection, prefix=prefix, kind=kind, resume=resume) as events:
        async for event in events:
            if common.json:
                show_line(event)
            else:
                show_text(line(event), STYLES.get(event.type, ""))


def degraded(how: str) -> str:
    """What is wrong with a member that is here, behind how it stands: a plane that fails, or that it comes and goes."""
    if how in ("", "unsteady"):
        return f", {how}" if how else ""
    return f", {how} fail"


async def members(*, common: Common = DEFAULT) -> None:
    """Show the members of the mesh, as the asked peer sees them."""
    async with common.client() as client:
        rows = await client.members()
        health = await client.health() if not common.json else None
    if common.json:
        return show_json(rows)
    cells = [
        (
            row.name + (" *" if row.me else ""),
            row.standing + degraded(row.degraded) + (f" ({row.conflict})" if row.conflict else ""),
            ", ".join(filter(None, (row.storage, row.copied))),
            moment(row.since),
            row.accuser or "",
            row.address,
            row.api,
        )
        for row in rows
    ]
    if health is not None and health.copied:
        note(health.copied)
    if health is not None and (catching_up := health.catching_up) is not None:
        note(f"this peer is catching up: it has {catching_up.have} of {catching_up.wanted} batches")
    return show_table(("name", "standing", "disk", "since", "said by", "address", "api"), cells)


async def why(member: str, *, common: Common = DEFAULT) -> None:
    """Show why a member stands as it does: probes, helpers, confirmations and timers, as the asked peer noticed them.

    Parameters
    ----------
    member
        Its name, or at least eight digits of its identity.
    """
    async with common.client() as client:
        found = await client.why(member)
    if common.json:
        return show_json(found)
    row = found.member
    said_by = f", says {row.accuser}" if row.accuser else ""
    standing = row.standing + degraded(row.degraded)
    note(f"{row.name} ({row.node[:8]}) at {row.address} is {standing} since {moment(row.since)}{said_by}")
    note(answering(found))
    if found.health:
        note(f"the asked peer is itself late or cut off: its local health is {found.health} (0 is good)")
    if not found.items:
        return note("nothing was noticed about it since the asked peer started")
    return show_table(
        ("when", "what", "by"), [(moment(item.at), noticed(item), ", ".join(item.by)) for item in found.items]
    )


def noticed(item: "EvidenceRow") -> str:
    """A piece of evidence, and how often it came."""
    return item.said if item.times == 1 else f"{item.said} ({item.times} times, until {moment(item.until)})"


def answering(found: "Why") -> str:
    """How a member answers the asked peer itself, in words."""
    if found.member.standing == "ended":
        return "an admin has ended it: it is let in nowhere any more (mesh ends)"
    if found.member.standing not in ("alive", "suspect"):
        return "it is not here: it is dialled again and again, for ever"
    if found.silent and found.heard:
        return (
            "it does not answer the asked peer, and its own probes arrive there: what the asked peer sends it is lost"
        )
    if found.silent:
        return (
            "it does not answer the asked peer, by datagrams of its own; others, or streams, may reach it (mesh reach)"
        )
    if found.rtt_ms is None:
        return "it has not been asked yet" if not found.member.me else "it is the asked peer itself"
    return f"it answers the asked peer within {found.rtt_ms:g} ms"


async def state(topic: str = "", *, common: Common = DEFAULT) -> None:
    """Show what units and nodes say of themselves.

    Parameters
    ----------
    topic
        What the topic starts with, such as unit/BTF or node.
    """
    async with common.client() as client:
        rows = await client.state(topic)
    if common.json:
        return show_json(rows)
    columns = ("topic", "owner", "enabled", "healthy", "reachable", "age", "says")
    show_table(columns, [_row(row) for row in rows])
    stale = sum(not row.reachable for row in rows)
    return note(f"{len(rows)} rows" + (f", {stale} of them last known only" if stale else ""))


def line(event: "Event") -> str:
    """An event on one line."""
    parts = [SIGNS.get(event.type, "?"), event.type]
    if event.key:
        parts.append(event.key)
    if event.changed:
        parts.append(f"[{', '.join(event.changed)}]")
    if event.author or event.reason:
        parts.append(f"({': '.join(part for part in (event.author, event.reason) if part)})")
    match event.value:
        case None:
            pass
        case {"topic": _, "value": value, "owner": owner, "reachable": reachable}:
            parts.append(f"at {owner}{'' if reachable else ' (not reachable)'}: {_said(value)}")
        case {"batch": _, "state": state}:
            parts.append(f"is {state}")
        case {"standing": standing, "name": name}:
            parts.append(f"{name} is {standing}")
        case value:
            parts.append(compact(value))
    return " ".join(parts)


def _row(row: "Row") -> tuple[str, ...]:
    enabled = "" if row.enabled is None else f"{_word(row.enabled)} ({row.desired})"
    reachable = "yes" if row.reachable else f"NO, {row.standing}"
    return row.topic, row.owner, enabled, _word(row.healthy), reachable, _age(row.age_s), _said(row.value)


def _said(value: object) -> str:
    """A unit's state and error; anything else as it is."""
    if not isinstance(value, dict) or "state" not in value:
        return compact(value, 80)
    return f"{value.get('status') or value['state']}" + (f": {value['error']}" if value.get("error") else "")


def _word(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "NO"


def _age(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.0f} h"
    )
