"""REST under /v1: HTTP requests become calls of the same methods that websockets use.

Invariant: every answer that is no success is a problem (RFC 9457); a body is refused before more than BODY_BYTES_MAX of it is held.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import resources

import msgspec
from msgspec import Struct
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from mesh.api.faults import PROBLEM_TYPE, Forbidden, Invalid, Malformed, Problem, TooLarge, problem
from mesh.api.head import is_foreign_page
from mesh.api.json_input import BODY_BYTES_MAX, read_json
from mesh.api.methods import METHODS
from mesh.api.metrics import CONTENT_TYPE
from mesh.api.preconditions import check_conditions, read_conditions
from mesh.api.session import Surroundings
from mesh.api.shapes import RecordAnswer
from mesh.api.writing import ANONYMOUS
from mesh.errors import MeshError

TOKEN_HEADER_MAX = 8_000  # Clients refuse longer headers; the token stands in the body too.
LABEL_PREFIX = "label."
SAFE = ("GET", "HEAD")
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:"
)

Given = dict[str, object]
Build = Callable[[Request], Awaitable[Given]]


class Entry(Struct, frozen=True):
    """One route: what it calls, and how its parameters are made. `queries` names its query parameters."""

    method: str
    path: str
    calls: str
    build: Build
    queries: tuple[str, ...] = ()
    body: str = ""  # The schema of the request's body.
    guarded: bool = False  # Whether If-Match and If-None-Match are understood.


async def _from_query(request: Request) -> Given:
    return {**read_query(list(request.query_params.multi_items())), **request.path_params}


async def _write(request: Request) -> Given:
    headers = {name: header(request.headers.get(f"mesh-{name}", "")) for name in ("reason", "intent", "position")}
    return {**request.path_params, **headers}


async def _guarded(request: Request) -> Given:
    expect = read_conditions(request.headers)
    return await _write(request) | ({"expect": expect} if expect else {})


async def _put(request: Request) -> Given:
    return {**await _guarded(request), "value": await read_object(request)}


async def _patch(request: Request) -> Given:
    return {**await _guarded(request), "patch": await read_object(request)}


async def _submit(request: Request) -> Given:
    return {**await _write(request), **await read_object(request)}


async def _one_receipt(request: Request) -> Given:
    given = await _from_query(request)
    return {name: value for name, value in given.items() if name != "batch"} | {"batches": [given["batch"]]}


async def _body_alone(request: Request) -> Given:
    return await read_object(request)


READ_QUERIES = ("after", "timeout_s")
LIST_QUERIES = (*READ_QUERIES, "prefix", "after_key", "limit", "text", "buried", "label.NAME")
CONFLICT_QUERIES = (*READ_QUERIES, "collection", "prefix", "after_key", "limit")
HISTORY_QUERIES = (*READ_QUERIES, "limit", "before")
RECORD = "/v1/records/{collection}/{key:path}"
ENTRIES = (
    Entry("GET", "/v1/health", "health.get", _from_query),
    Entry("GET", "/v1/members", "members.list", _from_query),
    Entry("GET", "/v1/members/{member}/why", "members.why", _from_query),
    Entry("GET", "/v1/reach", "reach.show", _from_query, ("member",)),
    Entry("GET", "/v1/records/{collection}", "records.list", _from_query, LIST_QUERIES),
    Entry("POST", "/v1/records", "records.submit", _submit, body="SubmitParams"),
    Entry("GET", RECORD, "records.get", _from_query, READ_QUERIES, guarded=True),
    Entry("PUT", RECORD, "records.put", _put, body="Record", guarded=True),
    Entry("PATCH", RECORD, "records.patch", _patch, body="Patch", guarded=True),
    Entry("DELETE", RECORD, "records.bury", _guarded, guarded=True),
    Entry("POST", "/v1/restore/{collection}/{key:path}", "records.restore", _guarded, guarded=True),
    Entry("GET", "/v1/history/{collection}/{key:path}", "records.history", _from_query, HISTORY_QUERIES),
    Entry("GET", "/v1/blame/{collection}/{key:path}", "records.blame", _from_query, READ_QUERIES),
    Entry("GET", "/v1/past/{collection}/{key:path}", "records.show_at", _from_query, (*READ_QUERIES, "at")),
    Entry("GET", "/v1/diff/{collection}/{key:path}", "records.diff", _from_query, (*READ_QUERIES, "a", "b")),
    Entry("POST", "/v1/revert/{collection}/{key:path}", "records.revert", _submit, body="Revert"),
    Entry("GET", "/v1/proof/{collection}/{key:path}", "records.prove", _from_query, (*READ_QUERIES, "field", "chain")),
    Entry("POST", "/v1/undo", "records.undo", _submit, body="Undo"),
    Entry("GET", "/v1/conflicts", "conflicts.list", _from_query, CONFLICT_QUERIES),
    Entry("POST", "/v1/resolve/{collection}/{key:path}", "conflicts.resolve", _submit, body="Settlement"),
    Entry("GET", "/v1/ends", "ends.list", _from_query),
    Entry("POST", "/v1/ends", "ends.add", _body_alone, body="Ends"),
    Entry("GET", "/v1/ends/preview", "ends.preview", _from_query, ("whose", "number", "branch")),
    Entry("GET", "/v1/forks", "forks.list", _from_query),
    Entry("GET", "/v1/held", "held.list", _from_query),
    Entry("POST", "/v1/held/retry", "held.retry", _body_alone, body="Retry"),
    Entry("GET", "/v1/void", "void.list", _from_query, (*READ_QUERIES, "after_key", "limit")),
    Entry("GET", "/v1/policies", "policies.list", _from_query, READ_QUERIES),
    Entry("GET", "/v1/policies/{collection}/{key:path}", "policies.explain", _from_query, (*READ_QUERIES, "field")),
    Entry("GET", "/v1/transactions/{batch}", "transactions.show", _from_query, READ_QUERIES),
    Entry("GET", "/v1/receipts/{batch}", "receipts.show", _one_receipt, READ_QUERIES),
    Entry("GET", "/v1/intents/{intent:path}", "intents.show", _from_query, READ_QUERIES),
    Entry("GET", "/v1/state", "state.list", _from_query, ("prefix",)),
    Entry("GET", "/v1/state/{topic:path}", "state.get", _from_query),
)


def make_app(
    around: Surroundings, document: Callable[[], bytes], on_websocket: Callable[[WebSocket], Awaitable[None]]
) -> Starlette:
    """The application. `document` makes the OpenAPI description."""
    fixed: Mapping[str, tuple[str, Callable[[], bytes]]] = {
        "/v1/openapi.json": ("application/json", document),
        "/metrics": (CONTENT_TYPE, around.metrics.render),
        "/": ("text/html; charset=utf-8", _page),
    }
    routes: list[BaseRoute] = [
        *(Route(entry.path, _endpoint(around, entry), methods=[entry.method]) for entry in ENTRIES),
        *(Route(path, _serve_made(around, path, *made), methods=["GET"]) for path, made in fixed.items()),
        WebSocketRoute("/v1/ws", on_websocket),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _on_http_exception})


def _endpoint(around: Surroundings, entry: Entry) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            _check_origin(request)
            author = header(request.headers.get("mesh-author", "")) or ANONYMOUS
            answer = await METHODS[entry.calls].ask(around.node, await entry.build(request), author)
            if entry.guarded and isinstance(answer, RecordAnswer):
                check_conditions(answer, read_conditions(request.headers))
            response = respond(answer)
        except Exception as error:
            if not isinstance(error, MeshError):
                around.on_fault(f"{entry.method} {entry.path} failed: {type(error).__name__}: {error}")
            response = refuse(problem(error))
        around.metrics.count(entry.method, entry.path, str(response.status_code))
        return response

    return endpoint


def _serve_made(
    around: Surroundings, path: str, kind: str, make: Callable[[], bytes]
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        around.metrics.count("GET", path, "200")
        return Response(make(), media_type=kind, headers={"Content-Security-Policy": PAGE_POLICY})

    return endpoint


def respond(answer: Struct) -> Response:
    """A success, with the token also in a header where it fits."""
    token = getattr(answer, "token", "")
    headers = {"Cache-Control": "no-store"} | (
        {"Mesh-Token": token} if token and len(token) <= TOKEN_HEADER_MAX else {}
    )
    if isinstance(answer, RecordAnswer):
        headers |= {"ETag": f'"{answer.version}"'}
    return Response(msgspec.json.encode(answer), media_type="application/json", headers=headers)


def refuse(said: Problem) -> Response:
    """A problem."""
    headers = {"Cache-Control": "no-store"} | ({"Retry-After": "1"} if said.status in (429, 503) else {})
    return Response(msgspec.json.encode(said), said.status, headers, media_type=PROBLEM_TYPE)


def read_query(pairs: Sequence[tuple[str, str]]) -> Given:
    """Parameters from a query: `label.zone=BTF` becomes a label, numbers become numbers. Raises Invalid, Malformed."""
    given: Given = {}
    labels: dict[str, str] = {}
    for name, text in pairs:
        if name in given or name.removeprefix(LABEL_PREFIX) in labels:
            raise Invalid(f"{name} came twice", field=name, rule="once", todo="give it once")
        if name.startswith(LABEL_PREFIX):
            labels[name.removeprefix(LABEL_PREFIX)] = text
        else:
            given[name] = _value(name, text)
    return given | ({"labels": labels} if labels else {})


def _value(name: str, text: str) -> object:
    kind = {"limit": int, "timeout_s": float, "buried": bool, "chain": bool}.get(name)
    if kind is None:
        return text
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(f"{name}: {text!r} came; {error}", field=name, rule=kind.__name__, todo="correct it") from None


async def read_object(request: Request) -> dict[str, object]:
    """The JSON object in a request's body. Raises TooLarge, Malformed."""
    value = read_json(await _body(request))
    if not isinstance(value, dict):
        raise Malformed("a JSON object was expected in the body", rule="object", todo="send {…}")
    return value


async def _body(request: Request) -> bytes:
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced) > BODY_BYTES_MAX:
        raise _too_large()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise _too_large()
    return bytes(body)


def _too_large() -> TooLarge:
    return TooLarge(
        f"a body of at most {BODY_BYTES_MAX} bytes was expected", field="body", rule="size", todo="send it in parts"
    )


def header(text: str) -> str:
    """A header's text: UTF-8 where it is, which HTTP itself does not know."""
    return text.encode("latin-1").decode(errors="replace")


def _check_origin(request: Request) -> None:
    headers = request.headers
    if request.method not in SAFE and is_foreign_page(headers.get("origin"), headers.get("host")):
        raise Forbidden(
            "a page of another site asked for a change",
            field="Origin",
            rule="pages may write only to the peer that served them",
            todo="send no Origin, or the peer's own",
        )


async def _on_http_exception(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    there = f"{request.method} {request.url.path}"
    detail, todo = {
        404: (f"there is nothing at {request.url.path}", "see /v1/openapi.json"),
        405: (f"{there} is not offered", "see /v1/openapi.json for the methods of this path"),
    }.get(status, (f"{there} failed", "try again"))
    kind = {404: "not_found", 405: "method_not_allowed"}.get(status, "http")
    return refuse(Problem(f"urn:chaos-mesh:{kind.replace('_', '-')}", detail, status, detail, kind, todo=todo))


def _page() -> bytes:
    return resources.files("mesh.api").joinpath("page.html").read_bytes()
