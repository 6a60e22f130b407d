"""A sealed datagram opens once, at a member, and nothing else opens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import MalformedMessage
from mesh.ids import MeshId
from mesh.transport import seal
from mesh.transport.seal import REPLAY_WINDOW, SEAL_BYTES, Opener, Sealer, UnknownEpoch, epochs

MESH, OTHER_MESH = MeshId(b"m" * 16), MeshId(b"o" * 16)
SECRET, NEXT_SECRET = b"s" * 32, b"t" * 32
SALT = b"a" * 16


def sealer(salt: bytes = SALT, secret: bytes = SECRET, mesh: MeshId = MESH) -> Sealer:
    return Sealer(secret, mesh, salt)


def opener(*secrets: bytes) -> Opener:
    return Opener(epochs(*(secrets or (SECRET,))), MESH)


@given(st.lists(st.binary(max_size=1200), max_size=20))
def test_what_was_sealed_opens(plaintexts: list[bytes]) -> None:
    sender, receiver = sealer(), opener()
    sealed = [sender.seal(plaintext) for plaintext in plaintexts]
    assert [receiver.open(datagram) for datagram in sealed] == plaintexts
    assert [len(datagram) for datagram in sealed] == [len(plaintext) + SEAL_BYTES for plaintext in plaintexts]
    receiver.check()


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_malformed(datagram: bytes) -> None:
    with pytest.raises(MalformedMessage):
        opener().open(datagram)


@given(st.data())
def test_one_flipped_bit_is_enough(data: st.DataObject) -> None:
    datagram = bytearray(sealer().seal(b"state digest"))
    datagram[data.draw(st.integers(0, len(datagram) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(MalformedMessage):
        opener().open(bytes(datagram))


def test_a_plausible_header_with_rubbish_behind_it_is_forged() -> None:
    datagram = sealer().seal(b"x" * 50)
    with pytest.raises(MalformedMessage, match="forged"):
        opener().open(datagram[:49] + bytes(len(datagram) - 49))


def test_each_reason_has_its_words() -> None:
    receiver = opener()
    good = sealer().seal(b"news")
    receiver.open(good)
    refused = {
        "truncated": good[: SEAL_BYTES - 1],
        "unknown version": b"\x02" + good[1:],
        "foreign mesh": sealer(mesh=OTHER_MESH).seal(b"news"),
        "unknown epoch": sealer(secret=NEXT_SECRET).seal(b"news"),
        "came before": good,
        "forged": sealer(salt=b"b" * 16).seal(b"news")[:-1] + b"\x00",
    }
    for reason, datagram in refused.items():
        with pytest.raises(MalformedMessage, match=reason):
            receiver.open(datagram)


def test_an_unknown_epoch_can_be_told_apart() -> None:
    with pytest.raises(UnknownEpoch):
        opener().open(sealer(secret=NEXT_SECRET).seal(b"news"))


def test_several_epochs_open_at_once_and_come_and_go() -> None:
    secrets = epochs(SECRET)
    receiver = Opener(secrets, MESH)
    old, new = sealer(), sealer(secret=NEXT_SECRET)
    assert receiver.open(old.seal(b"1")) == b"1"
    secrets.update(epochs(NEXT_SECRET))
    assert [receiver.open(old.seal(b"2")), receiver.open(new.seal(b"3"))] == [b"2", b"3"]
    for epoch in epochs(SECRET):
        del secrets[epoch]
    with pytest.raises(UnknownEpoch):
        receiver.open(old.seal(b"4"))
    assert receiver.open(new.seal(b"5")) == b"5"


@given(st.randoms(use_true_random=False), st.integers(1, 200))
def test_any_order_inside_the_window_opens_once(random: object, count: int) -> None:
    sender, receiver = sealer(), opener()
    sealed = [sender.seal(bytes([number])) for number in range(count)]
    random.shuffle(sealed)  # type: ignore[attr-defined]
    assert sorted(receiver.open(datagram) for datagram in sealed) == [bytes([number]) for number in range(count)]
    for datagram in sealed:
        with pytest.raises(MalformedMessage, match="came before"):
            receiver.open(datagram)
    receiver.check()


def test_the_window_ends_where_it_says() -> None:
    sender, receiver = sealer(), opener()
    sealed = [sender.seal(b"") for _ in range(REPLAY_WINDOW + 1)]
    receiver.open(sealed[-1])
    assert receiver.open(sealed[1]) == b""
    with pytest.raises(MalformedMessage, match="too late"):
        receiver.open(sealed[0])


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=60))
def test_the_window_agrees_with_a_plain_set(steps: list[tuple[int, bool]]) -> None:
    sender, receiver, seen = sealer(), opener(), set[int]()
    sealed = [sender.seal(number.to_bytes(2, "big")) for number in range(2500)]
    at = 0
    for step, back in steps:
        number = max(0, at - step) if back else (at := at + step)
        if number in seen:
            with pytest.raises(MalformedMessage):
                receiver.open(sealed[number])
        else:
            assert receiver.open(sealed[number]) == number.to_bytes(2, "big")
        seen.add(number)
        receiver.check()


def test_a_long_silence_leaves_no_long_number() -> None:
    sender, receiver = sealer(), opener()
    receiver.open(sender.seal(b"first"))
    sender._counter = 2**63
    assert receiver.open(sender.seal(b"much later")) == b"much later"
    receiver.check()


def test_a_forgery_moves_no_window() -> None:
    sender, receiver = sealer(), opener()
    first, second = sender.seal(b"1"), sender.seal(b"2")
    forged = second[:41] + b"\xff" * 8 + second[49:]
    with pytest.raises(MalformedMessage, match="forged"):
        receiver.open(forged)
    assert [receiver.open(first), receiver.open(second)] == [b"1", b"2"]


def test_the_senders_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "SENDERS_MAX", 4)
    receiver = opener()
    for number in range(20):
        receiver.open(sealer(salt=number.to_bytes(16, "big")).seal(b"hello"))
        receiver.check()


def test_two_processes_never_share_a_key() -> None:
    one, other = sealer(salt=b"1" * 16).seal(b"same"), sealer(salt=b"2" * 16).seal(b"same")
    assert one[49:] != other[49:]
