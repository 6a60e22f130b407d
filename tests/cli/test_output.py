"""What people see: errors with what to do, results without surprises."""

import pytest

from mesh.cli.output import compact, complain, counted, show_json, show_line, show_table, show_text
from mesh.errors import UsageError

Captured = pytest.CaptureFixture[str]


def test_an_error_says_what_came_and_what_to_do(capsys: Captured) -> None:
    complain(UsageError("a name was expected, '[/x' came", rule="a to z", todo="choose another"))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "mesh: a name was expected, '[/x' came",
        "  rule: a to z",
        "  to do: choose another",
    ]


def test_an_error_of_the_system_names_the_file(capsys: Captured) -> None:
    complain(FileNotFoundError(2, "No such file or directory", "a.json"))
    assert capsys.readouterr().err == "mesh: a.json: No such file or directory\n"


def test_our_own_mistake_is_owned(capsys: Captured) -> None:
    complain(ZeroDivisionError("oh"))
    said = capsys.readouterr().err
    assert "mistake of ours" in said
    assert "Traceback" not in said


def test_results_go_to_stdout_as_they_are(capsys: Captured) -> None:
    show_json({"a": "[b]"})
    show_line([1])
    show_text("[red]not markup[/red]")
    show_table(("key", "value"), [("a" * 200, "[b]")])
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith('{\n  "a": "[b]"\n}\n[1]\n[red]not markup[/red]\n')
    assert "a" * 200 + "  [b]" in said.out


def test_one_is_no_plural() -> None:
    assert [counted(number, "batch") for number in (0, 1, 1_000)] == ["0 batches", "1 batch", "1,000 batches"]


def test_a_long_value_is_cut() -> None:
    assert compact({"a": 1}) == '{"a":1}'
    assert (len(compact("x" * 500, 20)), compact("x" * 500, 20)[-1]) == (20, "…")
