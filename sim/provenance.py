"""What a run was made with: the commit, and the versions of Python and of the libraries that it depends on.

Invariant: it says what is installed and checked out, and nothing of the machine: no paths, no names.
"""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from msgspec import Struct

LIBRARIES = (
    "chaos-metadata-mesh",
    "msgspec",
    "sortedcontainers",
    "lmdb",
    "trio",
    "cryptography",
    "polars",
    "matplotlib",
)
GIT_S_MAX = 5.0  # Without an answer a report says that the commit is unknown.
UNKNOWN = "unknown"


class Provenance(Struct, frozen=True):
    """`commit` in full, or "unknown" where there is no checkout; `changed`: files differ from that commit."""

    commit: str
    changed: bool
    python: str
    libraries: dict[str, str]


@cache
def provenance() -> Provenance:
    """What this process runs."""
    commit = _git("rev-parse", "HEAD")
    changed = bool(commit) and bool(_git("status", "--porcelain", "--untracked-files=no", "--", "mesh", "sim"))
    return Provenance(commit or UNKNOWN, changed, platform.python_version(), _versions())


def differences_of(then: Provenance, now: Provenance) -> list[str]:
    """What is not as it was, one sentence each."""
    found = []
    if UNKNOWN in (then.commit, now.commit):
        found.append(f"commit: {then.commit} then, {now.commit} now, so nobody can tell whether it is the same code")
    elif then.commit != now.commit:
        found.append(f"commit: {then.commit} then, {now.commit} now")
    if then.changed or now.changed:
        when = " and ".join(word for word, changed in (("then", then.changed), ("now", now.changed)) if changed)
        found.append(f"files differed from the commit {when}")
    if then.python != now.python:
        found.append(f"Python: {then.python} then, {now.python} now")
    for name in sorted(then.libraries.keys() | now.libraries.keys()):
        before, after = then.libraries.get(name, "none"), now.libraries.get(name, "none")
        if before != after:
            found.append(f"{name}: {before} then, {after} now")
    return found


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _git(*arguments: str) -> str:
    """What git says of the folder that this code lies in; nothing where it can't."""
    command = ("git", "-C", str(Path(__file__).resolve().parent.parent), *arguments)
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=GIT_S_MAX)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.strip() if said.returncode == 0 else ""
