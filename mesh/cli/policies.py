"""Commands on field policies: `mesh policy set`, `list`, `explain`; and on whole batches: `mesh batch`.

Invariant: a policy is an ordinary record of the collection `policy`; what it shows is asked of the peer, never guessed here.
"""

from typing import TYPE_CHECKING

from mesh.cli.options import DEFAULT, Common
from mesh.cli.output import compact, note, show_json, show_table, show_text
from mesh.cli.records import Reason, moment, tell

if TYPE_CHECKING:
    from mesh.client.answers import PolicyRow, Version
    from mesh.client.transaction_answers import TransactionChange

ALL = "*"


async def set_(
    rule: str,
    *,
    collection: str = "",
    prefix: str = "",
    field: str = "",
    name: str = "",
    reason: Reason = "",
    common: Common = DEFAULT,
) -> None:
    """Say what is shown of fields that were changed in different ways at the same time.

    Parameters
    ----------
    rule
        show-latest, owner-only, max or ask.
    collection
        Only this collection.
    prefix
        Only records whose keys start with this.
    field
        Only this field, such as desired, labels.zone, or labels.* for all labels.
    name
        The policy's own name. [default: made from what it speaks for, so that set twice it replaces itself]
    reason
        Why; it is kept with the change.
    """
    speaks_for = {"collection": collection, "prefix": prefix, "field": field}
    policy: dict[str, object] = {"rule": rule}
    policy.update({part: given for part, given in speaks_for.items() if given})
    async with common.client() as client:
        receipt = await client.set_policy(name or name_of(collection, prefix, field), policy, reason=reason)
    tell(receipt, common)


def name_of(collection: str, prefix: str, field: str) -> str:
    """A name for the policy of these fields: no two of them share one."""
    parts = (collection or ALL, prefix or ALL, field or ALL)
    return ":".join(part.replace("%", "%25").replace(":", "%3a").replace("/", "%2f") for part in parts)


async def list_(*, common: Common = DEFAULT) -> None:
    """List all policies, the most specific first."""
    async with common.client() as client:
        found = await client.policies()
    if common.json:
        return show_json(found)
    return show_table(("rule", "collection", "prefix", "field", "name"), [_row(row) for row in found])


async def explain(collection: str, key: str, field: str, *, common: Common = DEFAULT) -> None:
    """Show which policy decides over a field, and what it shows."""
    async with common.client() as client:
        found = await client.explain_policy(collection, key, field)
    if common.json:
        return show_json(found)
    show_table(("rule", "collection", "prefix", "field", "name"), [_row(row) for row in found.policies])
    if found.values:
        columns = ("", "value", "by", "at peer", "when", "dot")
        show_table(columns, [_valued(value) for value in found.values])
    owner = f"; its owner is {found.owner}" if found.owner else ""
    return note(
        f"{found.field}: {found.standing}{f', {found.mark}' if found.mark else ''}{owner}; the first policy holds"
    )


def _row(row: "PolicyRow") -> tuple[str, ...]:
    return row.rule, row.collection, row.prefix, row.field, row.name or "(built in)"


def _valued(value: "Version") -> tuple[str, ...]:
    said = compact(value.value, 60) if value.kind == "put" else f"({value.kind})"
    return "shown" if value.shown else "", said, value.author, value.peer, moment(value.at), value.dot


async def batch(dot: str, *, common: Common = DEFAULT) -> None:
    """Show one batch, and which of its changes still hold.

    Parameters
    ----------
    dot
        A dot, as `mesh history` prints it, or the batch of a receipt.
    """
    async with common.client() as client:
        found = await client.transaction(dot)
    if common.json:
        return show_json(found)
    show_table(("record", "field", "change", "", "by", "when", "dot"), [_change(row) for row in found.changes])
    show_text(
        f"{found.standing}: {found.live} of {len(found.changes)} changes hold{f' ({found.why})' if found.why else ''}"
    )
    why = "".join(f", {name} {text}" for name, text in (("because", found.reason), ("intent", found.intent)) if text)
    return note(f"by {found.author} at {found.peer}, {moment(found.at)}{why}")


def _change(row: "TransactionChange") -> tuple[str, ...]:
    said = compact(row.value, 60) if row.kind == "put" else f"({row.kind})"
    place = (f"{row.collection} {row.key}", row.field, said)
    if row.live:
        return *place, "holds", "", "", ""
    if not row.replaced_by:
        return *place, "without effect", "", "", ""
    by = row.replaced_by[0]
    more = f" and {len(row.replaced_by) - 1} more" if len(row.replaced_by) > 1 else ""
    return *place, f"replaced{more}", by.author, moment(by.at), by.dot
