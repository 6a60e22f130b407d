"""`mesh prove`, and `mesh verify-proof` on a machine without the mesh.

Invariant: checking asks no peer and reads two files alone; whatever is printed as proven follows from the CA's certificate and the
signatures in the proof.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import Parameter

from mesh.cli.options import DEFAULT, Common
from mesh.cli.output import note, show_json, show_text
from mesh.cli.records import moment
from mesh.errors import MalformedMessage, UsageError

if TYPE_CHECKING:
    from mesh.crdt.proof import Signed, Verdict

SHOWN_CHARACTERS_MAX = 10_000
NOT_PROVEN = (
    "that no later value exists: anybody may have written the field since, at any peer",
    "that the author is who the name says: the name is the testimony of the node that signed",
    "that the moment is right: it is what the node's clock said",
    "that peers count these batches: what makes one void may lie in the log that is not in the proof",
)


async def prove(
    collection: str,
    key: str,
    field: str,
    *,
    chain: Annotated[bool, Parameter(negative="")] = False,
    common: Common = DEFAULT,
) -> None:
    """Print a proof of who wrote a field, when and why, as a text that can be mailed and checked without the mesh.

    Parameters
    ----------
    field
        As `mesh blame` prints it, such as desired or labels.zone.
    chain
        Put in what the value was made over, and the batches of its writer up to now.
    """
    async with common.client() as client:
        found = await client.prove(collection, key, field, chain=chain)
    if common.json:
        return show_json(found)
    sys.stdout.write(found.proof)
    said = (
        f", with {found.chain} later batches of the writer" + (" (there are more)" if found.cut else "")
        if chain
        else ""
    )
    return note(
        f"{found.values} signed value{'s' if found.values != 1 else ''}{said}; check it with `mesh verify-proof`"
    )


def verify_proof(
    file: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    *,
    ca: Annotated[Path | None, Parameter(env_var="MESH_CA")] = None,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Check the proof in FILE (- is stdin): no node, no network, only the certificate of the mesh's CA.

    Parameters
    ----------
    ca
        The mesh's ca.pem, had over a way that you trust.
    json_
        Print JSON.
    """
    from mesh.crdt.proof import check_proof, read_proof
    from mesh.runtime.trust import load_ca

    if ca is None:
        raise UsageError("the certificate of the mesh's CA was expected", field="--ca", todo="name the mesh's ca.pem")
    trust = load_ca(ca)
    try:
        verdict = check_proof(read_proof(_read(file)), trust.mesh, trust)
    except MalformedMessage as error:
        raise MalformedMessage(f"{file} proves nothing: {error}") from None
    if json_:
        return show_json(as_json(verdict))
    for line in tell(verdict):
        show_text(line)
    note("Not proven:")
    for line in NOT_PROVEN:
        note(f"- {line}")
    return None


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", field="file", todo="name a file that can be read") from None


def tell(verdict: "Verdict") -> list[str]:
    """A proof in lines for people."""
    values = {(one.sibling.kind, one.sibling.value) for one in verdict.live}
    lines = [f"PROVEN of {verdict.record}, field {verdict.field}:"]
    if len(values) > 1:
        lines.append(
            f"{len(verdict.live)} values, written without knowing of each other (a conflict); the first is shown"
        )
    for one in reversed(verdict.live):
        lines += _told(one)
    for chain in verdict.chains:
        if chain.later:
            said = f"batches {chain.first} to {chain.last} of writer {chain.writer.hex()} follow on each other;"
            lines.append(f"  {said} none of the {chain.later} later ones writes the field again")
    return lines


def _told(one: "Signed") -> list[str]:
    content = one.opened.content
    known = {old.sibling.dot: old for old in one.replaced}
    lines = [
        f"  value     {_value(one)}",
        f"  author    {content.author}",
        f"  node      {one.node.name} ({one.node.node.hex()}), certified by the CA; it signed",
        f"  when      {_moment(one)}",
    ]
    lines += [f"  {name:<9} {content.about[name]}" for name in ("reason", "intent") if content.about.get(name)]
    lines.append(f"  change    {one.sibling.dot}")
    lines.append(f"  batch     {one.opened.hash.hex()}")
    for dot in one.change.over:
        old = known.get(dot)
        said = f": {_value(old)}, by {old.opened.content.author} at {_moment(old)}" if old is not None else ""
        lines.append(f"  replaced  {dot}{said}")
    return lines if one.change.over else [*lines, "  replaced  nothing"]


def _value(one: "Signed") -> str:
    value = _plain(one)
    text = msgspec.json.encode(value).decode() if one.sibling.value else "(cleared)"
    return text if len(text) <= SHOWN_CHARACTERS_MAX else text[:SHOWN_CHARACTERS_MAX] + "…"


def _plain(one: "Signed") -> object:
    return msgspec.msgpack.decode(one.sibling.value) if one.sibling.value else None


def _seconds(one: "Signed") -> float:
    from mesh.crdt.clock import seconds_of

    return seconds_of(one.sibling.stamp)


def _moment(one: "Signed") -> str:
    try:
        return moment(_seconds(one))
    except (ValueError, OverflowError, OSError):  # A signed stamp may lie beyond every calendar.
        return f"{_seconds(one):.0f} s after 1970"


def as_json(verdict: "Verdict") -> dict[str, object]:
    """A proof as JSON."""
    return {
        "proven": True,
        "collection": verdict.record.collection,
        "key": verdict.record.key,
        "field": verdict.field,
        "values": [_signed(one) for one in reversed(verdict.live)],
        "chains": [
            {"writer": c.writer.hex(), "first": c.first, "last": c.last, "later": c.later} for c in verdict.chains
        ],
        "not_proven": list(NOT_PROVEN),
    }


def _signed(one: "Signed") -> dict[str, object]:
    content = one.opened.content
    return {
        "value": _plain(one),
        "cleared": not one.sibling.value,
        "author": content.author,
        "node": one.node.name,
        "node_id": one.node.node.hex(),
        "at": _seconds(one),
        "reason": content.about.get("reason", ""),
        "intent": content.about.get("intent", ""),
        "dot": str(one.sibling.dot),
        "batch": one.opened.hash.hex(),
        "over": [str(dot) for dot in one.change.over],
        "replaced": [_signed(old) for old in one.replaced],
    }
