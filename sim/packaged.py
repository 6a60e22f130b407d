"""What comes with the simulator: scenarios, and the small files of data that they name.

Invariant: a file that comes with it goes by a name that holds on every machine, so that a report which names it can be made again.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

PACKAGED = "packaged:"


def packaged_folder() -> Traversable:
    """The folder of the packaged scenarios and their files."""
    return files("sim") / "scenarios"


def packaged_name(name: str) -> str | None:
    """The name by which a packaged file is known everywhere; None where there is no such file."""
    return f"{PACKAGED}{name}" if Path(name).name == name and (packaged_folder() / name).is_file() else None


def read_named(name: str) -> str:
    """The text of a file, by its path or as `packaged:NAME`. Raises OSError or UnicodeError where it can't be read."""
    if name.startswith(PACKAGED):
        return (packaged_folder() / name.removeprefix(PACKAGED)).read_text("utf-8")
    return Path(name).read_text("utf-8")
