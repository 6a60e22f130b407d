"""A later version of the package: a copy of the present source under another path, with what `future.toml` changes in it.

Invariant: the copy is the present source but for the listed replacements, each of which is found exactly once.
"""

import shutil
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHANGES = Path(__file__).with_name("future.toml")


def make_future(place: Path) -> Path:
    """Copy the package into `place` and change it. Raises AssertionError where the list does not fit the source any more."""
    shutil.copytree(ROOT / "mesh", place / "mesh", ignore=shutil.ignore_patterns("__pycache__"))
    for change in tomllib.loads(CHANGES.read_text("utf-8"))["replace"]:
        file = place / change["file"]
        text = file.read_text("utf-8")
        assert text.count(change["old"]) == 1, f"{CHANGES.name}: {change['old']!r} is not once in {change['file']}"
        file.write_text(text.replace(change["old"], change["new"].removeprefix("\n")), "utf-8")
    return place


def program_of(place: Path) -> tuple[str, ...]:
    """The command `mesh` of the package in `place`, whatever is installed."""
    start = f"import sys; sys.path.insert(0, {str(place)!r}); from mesh.cli import main; main()"
    return (sys.executable, "-P", "-c", start)
