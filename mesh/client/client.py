"""The client of a mesh: any peer will do, and when one goes away another takes over.

Invariant: a read is repeated at the next peer; a write that may have been sent is never repeated by itself.
"""

import ssl
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TypeVar

import msgspec
import trio
from msgspec import Struct

from mesh.client.answers import (
    Blame,
    Held,
    History,
    Page,
    PastChange,
    PolicyExplained,
    PolicyRow,
    Proof,
    Record,
    RecordDiff,
    RecordThen,
    Row,
    Undo,
    Unsettled,
    UnsettledPage,
    Value,
    VoidBatch,
    VoidPage,
)
from mesh.client.faults import CannotConnect, OutcomeUnknown, PeerFailed
from mesh.client.fork_answers import EndedWriter, EndPage, EndPreview, Fork, ForkPage
from mesh.client.link import Dialling, Link, LinkLost, run_link
from mesh.client.transaction_answers import Intent, ReceiptState, ReceiptStates, Transaction
from mesh.client.watch import Watch
from mesh.errors import UsageError
from mesh.runtime.rows import Health, MemberRow, Reaching, Receipt, Why

CONNECT_TIMEOUT_S = 5.0
READS = (
    *("records.get", "records.list", "records.history", "records.blame", "records.show_at", "records.diff"),
    "records.prove",
    *("held.list", "held.retry", "void.list"),  # A retry only judges again: asked twice it does the same.
    *("policies.list", "policies.explain", "transactions.show", "intents.show", "receipts.show"),
    *("ends.list", "ends.preview", "ends.add"),  # An end that is known already changes nothing.
    *("conflicts.list", "forks.list", "members.list", "members.why", "reach.show"),
    *("state.get", "state.list", "health.get", "watch.open"),
)

Moment = str | float  # A token from an earlier answer; seconds since 1970, or ISO 8601 with an offset.

Place = tuple[str, str, str]  # Collection, key and field.
Expected = str | Mapping[str, object] | None  # A record's version, "absent", or what docs/api.md says of `expect`.

T = TypeVar("T")


def as_expected(expect: str | Mapping[str, object]) -> Mapping[str, object]:
    """What is expected of a record, as the API takes it."""
    if isinstance(expect, str):
        return {"absent": True} if expect == "absent" else {"version": expect}
    return expect


class _Policies(Struct, frozen=True):
    items: list[PolicyRow]


class _Items(Struct, frozen=True):
    items: list[Row]


class _Members(Struct, frozen=True):
    items: list[MemberRow]


class MeshClient:
    """A connection to whichever of `urls` answers first, by JSON-RPC over a websocket.

    ```python
    async with MeshClient(["http://peer-1:7700", "http://peer-2:7700"], author="ada") as client:
        record = await client.get("unit", "BTF/DIPOLE/DHSTB001")
        await client.patch("unit", record.key, {"desired": "START"}, reason="the beam is back")
        async with client.watch("unit", prefix="BTF/") as events:
            async for event in events:
                print(event.type, event.key)
    ```

    Every method raises CannotConnect where no peer answers, and the peer's own errors as NotFound, Refused, UsageError,
    Behind or StorageError. It is for one event loop; its methods may be called by many tasks at once.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        author: str = "anonymous",
        timeout_s: float = CONNECT_TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if not urls:
            raise UsageError("at least one URL of a peer was expected", field="urls", todo="give http://HOST:7700")
        self._dialling = [Dialling(url, author, timeout_s, tls) for url in urls]
        self._manager = trio.open_nursery()
        self._nursery: trio.Nursery | None = None
        self._link: Link | None = None
        self._turn = 0  # Where in the list the next connection is tried first.
        self._connecting = trio.Lock()

    async def __aenter__(self) -> "MeshClient":
        self._nursery = await self._manager.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection. An exception of the body passes as it is, in no group."""
        assert self._nursery is not None
        self._nursery.cancel_scope.cancel()
        await self._manager.__aexit__(None, None, None)

    @property
    def url(self) -> str:
        """The peer that is connected now, or would be tried next."""
        return self._link.url if self._link is not None else self._dialling[self._turn].url

    async def link(self) -> Link:
        """The open connection; a new one, to the first peer that answers, where there is none. Raises CannotConnect."""
        async with self._connecting:
            if self._link is None or self._link.lost.is_set():
                self._link = await self._connect()
            return self._link

    def move_on(self, link: Link) -> None:
        """Use another peer than that of `link` from now on; what is open there stays open."""
        if self._link is link:
            self._link = None
            self._turn = (self._turn + 1) % len(self._dialling)

    async def _connect(self) -> Link:
        if self._nursery is None:
            raise UsageError("the client is not open", todo="use it as `async with MeshClient(…) as client`")
        reasons: list[str] = []
        for _ in self._dialling:
            answer = await self._nursery.start(run_link, self._dialling[self._turn])
            if isinstance(answer, Link):
                return answer
            reasons.append(str(answer))
            self._turn = (self._turn + 1) % len(self._dialling)
        raise CannotConnect("no peer answered: " + "; ".join(reasons))

    async def call(self, method: str, **params: object) -> object:
        """One call by name, with its result as plain values (docs/api.md lists the methods)."""
        return msgspec.json.decode(await self._ask(method, params))

    async def _ask(self, method: str, params: Mapping[str, object]) -> bytes:
        for _ in range(len(self._dialling) + 1):
            link = await self.link()
            try:
                return await link.ask(method, dict(params))
            except LinkLost as lost:
                self.move_on(link)
                if lost.sent and method not in READS:
                    raise OutcomeUnknown(
                        f"{link.url} was lost after {method} was sent: whether it was stored is not known; "
                        "read before you write again"
                    ) from None
        raise CannotConnect(f"every peer was lost while it worked on {method}; try again")

    async def _get(self, kind: type[T], method: str, **params: object) -> T:
        raw = await self._ask(method, params)
        try:
            return msgspec.json.decode(raw, type=kind)
        except msgspec.MsgspecError as error:
            raise PeerFailed(
                f"{self.url} answered {method} in a shape that this client does not know: {error}"
            ) from None

    # ---- reads

    async def get(self, collection: str, key: str, *, after: str = "", timeout_s: float = 5.0) -> Record:
        """One record, at least as new as the token `after`. Raises NotFound, Behind."""
        return await self._get(Record, "records.get", collection=collection, key=key, after=after, timeout_s=timeout_s)

    async def page(self, collection: str, **filters: object) -> Page:
        """A page of records. Filters: prefix, labels, text, after_key, limit, buried, after, timeout_s."""
        return await self._get(Page, "records.list", collection=collection, **filters)

    async def records(self, collection: str, **filters: object) -> list[Record]:
        """All records that pass the filters, page by page; later pages may be newer than earlier ones."""
        found: list[Record] = []
        after_key: str | None = ""
        while after_key is not None:
            page = await self.page(collection, **filters, after_key=after_key)
            found += page.items
            after_key = page.next
        return found

    async def conflicts(self, collection: str = "", *, prefix: str = "", limit: int = 200) -> list[Unsettled]:
        """All records with something to settle, of one collection or of all, page by page."""
        found: list[Unsettled] = []
        asked: dict[str, object] = {"collection": collection, "prefix": prefix, "limit": limit}
        after_key: str | None = ""
        while after_key is not None:
            page = await self._get(UnsettledPage, "conflicts.list", **asked, after_key=after_key)
            found += page.items
            after_key = page.next
        return found

    async def forks(self) -> list[Fork]:
        """Writers of which two branches are known: a disk was copied or restored, or a key stolen."""
        return (await self._get(ForkPage, "forks.list")).items

    async def ends(self) -> list[EndedWriter]:
        """Writers that an admin has ended."""
        return (await self._get(EndPage, "ends.list")).items

    async def preview_end(self, whose: str, *, number: int = 0, branch: str = "") -> EndPreview:
        """What ending a writer, or all of a node's, would take back. Raises NotFound."""
        return await self._get(EndPreview, "ends.preview", whose=whose, number=number, branch=branch)

    async def add_ends(self, ends: list[tuple[bytes, bytes]]) -> list[EndedWriter]:
        """Carry out ends: content and the admin's signature of each. Raises Refused where it is not the admin's."""
        signed = [{"content": content.hex(), "signature": signature.hex()} for content, signature in ends]
        return (await self._get(EndPage, "ends.add", ends=signed)).items

    async def history(
        self, collection: str, key: str, *, limit: int = 200, before: str = "", after: str = ""
    ) -> History:
        """The newest `limit` changes of a record, or those before a page's `next`, oldest first. Raises NotFound, Behind."""
        asked = {"collection": collection, "key": key, "limit": limit, "before": before, "after": after}
        return await self._get(History, "records.history", **asked)

    async def changes(self, collection: str, key: str, *, page: int = 1000) -> list[PastChange]:
        """Every change of a record, oldest first, page by page. Raises NotFound, Behind."""
        pages: list[list[PastChange]] = []
        before: str | None = ""
        while before is not None:
            found = await self.history(collection, key, limit=page, before=before)
            pages.append(found.items)
            before = found.next
        return [row for items in reversed(pages) for row in items]

    async def blame(self, collection: str, key: str, *, after: str = "") -> Blame:
        """Who wrote each shown field of a record. Raises NotFound, Behind."""
        return await self._get(Blame, "records.blame", collection=collection, key=key, after=after)

    async def show_at(self, collection: str, key: str, at: Moment) -> RecordThen:
        """A record as it was at a token or a time. Raises Behind, UsageError."""
        return await self._get(RecordThen, "records.show_at", collection=collection, key=key, at=at)

    async def diff(self, collection: str, key: str, a: Moment, b: Moment) -> RecordDiff:
        """What differs in a record between two tokens or times. Raises Behind, UsageError."""
        return await self._get(RecordDiff, "records.diff", collection=collection, key=key, a=a, b=b)

    async def prove(self, collection: str, key: str, field: str, *, chain: bool = False) -> Proof:
        """A proof of who wrote a field, to be checked with the CA's certificate alone. Raises NotFound, Behind."""
        return await self._get(Proof, "records.prove", collection=collection, key=key, field=field, chain=chain)

    async def held(self) -> Held:
        """The writers whose batches the peer keeps and cannot apply, and why."""
        return await self._get(Held, "held.list")

    async def void(self, *, page: int = 1000) -> list[VoidBatch]:
        """The batches that count at the peer and have no effect, page by page."""
        found: list[VoidBatch] = []
        after_key: str | None = ""
        while after_key is not None:
            part = await self._get(VoidPage, "void.list", after_key=after_key, limit=page)
            found += part.items
            after_key = part.next
        return found

    async def policies(self) -> list[PolicyRow]:
        """All field policies, the most specific first."""
        return (await self._get(_Policies, "policies.list")).items

    async def explain_policy(self, collection: str, key: str, field: str) -> PolicyExplained:
        """Which policies speak for a field, and what is shown of it."""
        return await self._get(PolicyExplained, "policies.explain", collection=collection, key=key, field=field)

    async def transaction(self, batch: str) -> Transaction:
        """The batch of a dot, or of a receipt, and what is left of it. Raises NotFound."""
        return await self._get(Transaction, "transactions.show", batch=batch)

    async def receipts(self, batches: Sequence[str], *, after: str = "") -> list[ReceiptState]:
        """What became of batches, each by the `dot` or the `batch` of its receipt: whether an end has taken it, say."""
        return (await self._get(ReceiptStates, "receipts.show", batches=batches, after=after)).items

    async def intent(self, intent: str) -> Intent:
        """What an undertaking has done so far, as far as the peer knows."""
        return await self._get(Intent, "intents.show", intent=intent)

    async def members(self) -> list[MemberRow]:
        """Every member that the peer ever heard of."""
        return (await self._get(_Members, "members.list")).items

    async def why(self, member: str) -> Why:
        """What led the peer to hold a member, by its name, as it does. Raises NotFound."""
        return await self._get(Why, "members.why", member=member)

    async def reach(self, member: str = "") -> Reaching:
        """Who reaches whom, and which paths fail; of one member or of all. Raises NotFound."""
        return await self._get(Reaching, "reach.show", member=member)

    async def state(self, prefix: str = "") -> list[Row]:
        """State rows whose topic starts with `prefix`."""
        return (await self._get(_Items, "state.list", prefix=prefix)).items

    async def health(self) -> Health:
        """How the peer is."""
        return await self._get(Health, "health.get")

    # ---- writes: each raises OutcomeUnknown where the connection is lost before the answer

    async def put(
        self, collection: str, key: str, value: Value, *, reason: str = "", expect: Expected = None
    ) -> Receipt:
        """Make the record exactly `value`. Durable at the peer when it returns. Raises Unmet where it is not as expected."""
        return await self._write("records.put", collection, key, reason, expect, value=value)

    async def patch(
        self, collection: str, key: str, patch: Value, *, reason: str = "", expect: Expected = None
    ) -> Receipt:
        """Merge `patch` into the record (RFC 7396). Raises Unmet where it is not as expected."""
        return await self._write("records.patch", collection, key, reason, expect, patch=patch)

    async def bury(self, collection: str, key: str, *, reason: str = "", expect: Expected = None) -> Receipt:
        """Hide the record. Raises Unmet where it is not as expected."""
        return await self._write("records.bury", collection, key, reason, expect)

    async def restore(self, collection: str, key: str, *, reason: str = "", expect: Expected = None) -> Receipt:
        """Show a buried record again. Raises Unmet where it is not as expected."""
        return await self._write("records.restore", collection, key, reason, expect)

    async def _write(
        self, method: str, collection: str, key: str, reason: str, expect: Expected, **given: object
    ) -> Receipt:
        asked = given | ({"expect": as_expected(expect)} if expect is not None else {})
        return await self._get(Receipt, method, collection=collection, key=key, reason=reason, **asked)

    async def submit(
        self, operations: Sequence[Value], *, reason: str = "", intent: str = "", position: str = ""
    ) -> Receipt:
        """Several operations (`{"op": "put", "collection": …, "key": …, "value": …}`) as one batch, or none of them.

        Each may carry its own `expect`. Larger undertakings: `mesh.client.bulk`.
        """
        said = {"reason": reason, "intent": intent, "position": position}
        return await self._get(Receipt, "records.submit", operations=operations, **said)

    async def take(self, place: Place, dot: str, *, seen: str | Sequence[str], reason: str = "") -> Receipt:
        """Settle the conflict of `place` (collection, key, field) with the value that the change `dot` gave it.

        `seen`: the dots of all values that were looked at, or the conflict's version. Raises Refused where it is settled already,
        Unmet where there are other values meanwhile.
        """
        return await self._resolve(place, seen, reason, take=dot)

    async def settle(self, place: Place, value: object, *, seen: str | Sequence[str], reason: str = "") -> Receipt:
        """Settle the conflict of `place` (collection, key, field) with a value; None clears the field. Else as `take`."""
        return await self._resolve(place, seen, reason, value=value)

    async def _resolve(self, place: Place, seen: str | Sequence[str], reason: str, **given: object) -> Receipt:
        asked = dict(zip(("collection", "key", "field"), place, strict=True))
        return await self._get(Receipt, "conflicts.resolve", **asked, seen=seen, reason=reason, **given)

    async def set_policy(self, name: str, policy: Value, *, reason: str = "") -> Receipt:
        """Write a field policy: `{"rule": "ask", "collection": "unit", "prefix": "BTF/", "field": "attributes.*"}`."""
        return await self.put("policy", name, policy, reason=reason)

    async def revert(self, collection: str, key: str, to: Moment, *, reason: str = "") -> Receipt:
        """Make a record what it was at a token or a time, as a new change. Raises Refused where it is buried now."""
        return await self._get(Receipt, "records.revert", collection=collection, key=key, to=to, reason=reason)

    async def undo(self, whose: str, since: Moment, **given: object) -> Undo:
        """Take back what `whose` wrote since a time. Given: until, collection, prefix, key, preview, limit, reason, intent.

        Later work of others stays, and is named. Where `state` is "broken off", the answer's since, until and intent go on.
        """
        return await self._get(Undo, "records.undo", whose=whose, since=since, **given)

    async def retry_held(self, writer: str = "") -> Held:
        """Let the peer try held batches again, of one writer or of all; what is held after it. Raises NotFound."""
        return await self._get(Held, "held.retry", writer=writer)

    # ---- watches

    def watch(self, collection: str = "", *, prefix: str = "", kind: str = "records", resume: str = "") -> Watch:
        """Watch records, or with `kind` state or members; to be used as `async with … as events: async for event in events`."""
        return Watch(self, {"kind": kind, "collection": collection, "prefix": prefix}, resume)

    def watch_receipts(self, batches: Sequence[str]) -> Watch:
        """Watch what becomes of batches, each by the `dot` or the `batch` of its receipt."""
        return Watch(self, {"kind": "receipts", "batches": list(batches)}, "")
