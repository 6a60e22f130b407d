"""JSON-RPC 2.0 as its specification's §7 gives it by example."""

import json

import pytest
from msgspec import UNSET

from mesh.api.faults import Malformed, TooLarge
from mesh.api.json_input import JSON, MSGPACK
from mesh.api.rpc import BATCH_MAX, INVALID_REQUEST, NotARequest, Request, failure, read


def request(**parts: object) -> str:
    return json.dumps({"jsonrpc": "2.0", "method": "m"} | parts)


def test_a_call_has_a_method_parameters_and_an_id() -> None:
    message = read(request(params={"a": 1}, id=7), JSON)
    assert not message.batch
    assert message.requests == [Request("m", {"a": 1}, 7)]


@pytest.mark.parametrize("number", [1, "one", 1.5, None])
def test_an_id_may_be_a_number_a_text_or_null(number: object) -> None:
    assert read(request(id=number), JSON).requests[0].id == number


def test_without_an_id_it_is_a_notification() -> None:
    assert read(request(), JSON).requests[0].id is UNSET


@pytest.mark.parametrize("value", [1, "x", {}, {"jsonrpc": "1.0", "method": "m"}, {"jsonrpc": "2.0", "method": 1}])
def test_what_is_no_request_is_answered_as_one_that_failed(value: object) -> None:
    (broken,) = read(json.dumps(value), JSON).requests
    assert isinstance(broken.fault, NotARequest)
    assert failure(broken.id, broken.fault).error.code == INVALID_REQUEST


def test_a_broken_request_keeps_its_id() -> None:
    assert read(json.dumps({"id": 3, "method": "m"}), JSON).requests[0].id == 3


def test_a_batch_keeps_good_and_bad_requests_apart() -> None:
    message = read(f"[{request(id=1)}, 2]", JSON)
    assert message.batch
    assert [one.fault is None for one in message.requests] == [True, False]


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(NotARequest):
        read("[]", JSON)


def test_a_batch_has_a_limit() -> None:
    with pytest.raises(TooLarge, match=f"at most {BATCH_MAX}"):
        read(json.dumps([1] * (BATCH_MAX + 1)), JSON)


def test_messagepack_says_the_same() -> None:
    raw = MSGPACK.encode({"jsonrpc": "2.0", "method": "m", "id": 1})
    assert read(raw, MSGPACK) == read(request(id=1), JSON)
    with pytest.raises(Malformed):
        read(b"\xc1", MSGPACK)
