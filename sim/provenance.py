"""What a run was made with: the code, its commit, and the versions of Python and of the libraries that it depends on.

Invariant: it says what is installed and checked out, and nothing of the machine: no paths, no names.
"""

import platform
import subprocess
from functools import cache
from hashlib import sha256
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
    """`commit` in full, or "unknown" where there is no checkout; `changed`: files differ from that commit.

    `code` is a hash of the text of `mesh` and `sim`: it says whether it is the same code also where there is no checkout.
    """

    commit: str
    changed: bool
    python: str
    libraries: dict[str, str]
    code: str = ""


@cache
def provenance() -> Provenance:
    """What this process runs."""
    commit = _git("rev-parse", "HEAD")
    changed = bool(commit) and bool(_git("status", "--porcelain", "--untracked-files=no", "--", "mesh", "sim"))
    return Provenance(commit or UNKNOWN, changed, platform.python_version(), _versions(), _code())


def differences_of(then: Provenance, now: Provenance) -> list[str]:
    """What is not as it was, one sentence each."""
    found = _code_differences(then, now)
    if then.python != now.python:
        found.append(f"Python: {then.python} then, {now.python} now")
    for name in sorted(then.libraries.keys() | now.libraries.keys()):
        before, after = then.libraries.get(name, "none"), now.libraries.get(name, "none")
        if before != after:
            found.append(f"{name}: {before} then, {after} now")
    return found


def _code_differences(then: Provenance, now: Provenance) -> list[str]:
    if then.code and now.code:
        return [] if then.code == now.code else [f"code: {_named(then)} then, {_named(now)} now"]
    found = []
    if UNKNOWN in (then.commit, now.commit):
        found.append(f"commit: {then.commit} then, {now.commit} now, so nobody can tell whether it is the same code")
    elif then.commit != now.commit:
        found.append(f"commit: {then.commit} then, {now.commit} now")
    if then.changed or now.changed:
        when = " and ".join(word for word, changed in (("then", then.changed), ("now", now.changed)) if changed)
        found.append(f"files differed from the commit {when}")
    return found


def _named(made: Provenance) -> str:
    """The code, for people: its commit where there is one, and its hash where that is not all of it."""
    if made.commit == UNKNOWN:
        return f"no commit ({made.code})"
    return f"commit {made.commit}" + (f" with changes ({made.code})" if made.changed else "")


def _code() -> str:
    """A hash of the text of all modules of `mesh` and `sim`."""
    top = Path(__file__).resolve().parent.parent
    digest = sha256()
    for path in sorted(path for package in ("mesh", "sim") for path in (top / package).rglob("*.py")):
        digest.update(f"{path.relative_to(top).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


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
