"""A report says what it was made with, and what of that is different now.

Invariant: nothing here depends on the machine.
"""

from msgspec.structs import replace

from sim.provenance import UNKNOWN, Provenance, differences_of, provenance

THEN = Provenance("a" * 40, False, "3.11.9", {"msgspec": "0.22.0", "trio": "0.35.0"})


def test_this_process_knows_its_python_and_its_libraries() -> None:
    made = provenance()
    assert made.python.startswith("3.")
    assert made.libraries["msgspec"]
    assert made.commit == UNKNOWN or len(made.commit) == 40


def test_nothing_is_said_of_what_is_as_it_was() -> None:
    assert differences_of(THEN, THEN) == []


def test_everything_that_is_not_is_named() -> None:
    now = replace(THEN, commit="b" * 40, python="3.12.1", libraries={"msgspec": "0.23.0"})
    said = differences_of(THEN, now)
    assert said[0] == f"commit: {'a' * 40} then, {'b' * 40} now"
    assert said[1:] == [
        "Python: 3.11.9 then, 3.12.1 now",
        "msgspec: 0.22.0 then, 0.23.0 now",
        "trio: 0.35.0 then, none now",
    ]


def test_the_same_text_is_the_same_code_whatever_the_commit() -> None:
    made = provenance()
    assert len(made.code) == 16
    assert differences_of(made, replace(made, commit="b" * 40, changed=True)) == []
    assert differences_of(replace(made, commit=UNKNOWN), replace(made, commit=UNKNOWN)) == []


def test_another_text_is_other_code_also_without_a_checkout() -> None:
    made = replace(THEN, commit=UNKNOWN, code="c" * 16)
    assert differences_of(made, replace(made, code="d" * 16)) == [
        f"code: no commit ({'c' * 16}) then, no commit ({'d' * 16}) now"
    ]
    [said] = differences_of(replace(THEN, code="c" * 16), replace(THEN, changed=True, code="d" * 16))
    assert said == f"code: commit {'a' * 40} then, commit {'a' * 40} with changes ({'d' * 16}) now"


def test_changed_files_and_unknown_commits_are_no_proof_of_the_same_code() -> None:
    assert differences_of(replace(THEN, changed=True), THEN) == ["files differed from the commit then"]
    [said] = differences_of(THEN, replace(THEN, commit=UNKNOWN))
    assert "nobody can tell" in said
