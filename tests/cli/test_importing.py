"""A plan is cut into batches that a ledger takes, and nothing of it is lost."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.cli.importing import BYTES_MAX, FIELDS_MAX, bounded
from mesh.ids import RecordId
from mesh.importers.plan import Change
from mesh.model.fields import flatten

FIELDS = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=4), st.integers() | st.text(max_size=40), min_size=1)


def change(number: int, fields: dict[str, object], new: bool) -> Change:
    return Change(RecordId("unit", f"U/{number}"), fields, None if new else {})


@given(st.lists(st.tuples(FIELDS, st.booleans()), max_size=30))
def test_every_field_of_every_change_is_sent_once(given: list[tuple[dict[str, object], bool]]) -> None:
    changes = [change(number, fields, new) for number, (fields, new) in enumerate(given)]
    sent: dict[object, dict[str, object]] = {}
    for op in (op for batch in bounded(changes) for op in batch):
        value = op["value"] if op["op"] == "put" else op["patch"]
        assert isinstance(value, dict)
        sent.setdefault(op["key"], {}).update(flatten(value))
    assert sent == {change.record.key: change.fields for change in changes}


def test_a_large_record_is_made_and_then_patched_in_batches_of_their_own() -> None:
    fields: dict[str, object] = {f"attributes.a{number}": "x" * 100 for number in range(3 * FIELDS_MAX)}
    batches = list(bounded([change(1, fields, True), change(2, {"a": 1}, False)]))
    assert [[op["op"] for op in batch] for batch in batches][:2] == [["put"], ["patch"]]
    assert batches[-1][-1]["key"] == "U/2"


def test_no_batch_is_larger_than_a_ledger_takes() -> None:
    changes = [change(number, {f"f{n}": "x" * 500 for n in range(30)}, True) for number in range(40)]
    for batch in bounded(changes):
        values = [op["value"] for op in batch]
        assert sum(len(value) for value in values if isinstance(value, dict)) <= FIELDS_MAX
        assert len(str(values)) <= BYTES_MAX * 1.2
