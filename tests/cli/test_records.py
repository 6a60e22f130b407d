"""What a person types as a value is read as JSON, from the line, a file or stdin."""

import io
from pathlib import Path

import pytest

from mesh.cli.records import read_value
from mesh.errors import UsageError


def test_a_value_stands_on_the_line_or_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "value.json"
    file.write_text('{"a": 1}')
    assert read_value('{"a": 1}') == read_value(f"@{file}") == {"a": 1}


def test_a_value_comes_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"a": 2}')))
    assert read_value("-") == {"a": 2}


@pytest.mark.parametrize("given", ["", "[1]", '{"a"', "@/no/such/file", '{"a": 1} {"b": 2}', "[" * 100_000])
def test_what_is_no_value_is_explained(given: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_value(given)
    assert (caught.value.field, bool(caught.value.todo)) == ("value", True)
