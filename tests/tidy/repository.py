"""What the repository as a whole may not hold, and what it must.

Invariant: the forbidden strings are put together here, so that this file may pass its own rule.
"""

import re
import tomllib
from collections.abc import Iterator

from tests.tidy.tree import Finding, Tree

PYPROJECT = "pyproject.toml"
DEPENDENCIES = "docs/dependencies.md"
MACHINE_PATH = re.compile(r"(?<![\w.\-~}])/(?:wor" + r"k|ro" + r"ot)/")
REGISTRY = re.compile("|".join((r"pypi\." + "org", "files" + r"\.pythonhosted", "registry" + r"\.npmjs")))
NAME = re.compile(r"[A-Za-z0-9._-]+")
REASON_LETTERS_MIN = 40  # "a library" is no reason.


def machine_paths(tree: Tree) -> Iterator[Finding]:
    """No file holds an absolute path of the machine that it was written on."""
    said = "an absolute path of one machine; use a path relative to the repository or a temporary directory"
    yield from _lines_with(tree, MACHINE_PATH, "machine-path", said)


def registry_hosts(tree: Tree) -> Iterator[Finding]:
    """No file holds the address of a package registry: which one is used is each machine's own business."""
    yield from _lines_with(tree, REGISTRY, "registry-host", "the address of a package registry; name the package alone")


def dependency_lines(tree: Tree) -> Iterator[Finding]:
    """Each dependency has a line in docs/dependencies.md: what for, and why this one."""
    if PYPROJECT not in tree.files:
        return
    lines = tree.files.get(DEPENDENCIES, "").splitlines()
    for name in _dependencies(tree.files[PYPROJECT]):
        if not any(line.startswith(f"| `{name}`") and len(line) > REASON_LETTERS_MIN for line in lines):
            said = f"{PYPROJECT} wants `{name}`; add `| `{name}` | what for | why this one |` to {DEPENDENCIES}"
            yield Finding("dependency-line", name, said)


def _lines_with(tree: Tree, pattern: re.Pattern[str], rule: str, said: str) -> Iterator[Finding]:
    for path, text in sorted(tree.files.items()):
        if not pattern.search(text):
            continue
        numbers = [str(number) for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]
        yield Finding(rule, path, f"line {', '.join(numbers)}: {said}")


def _dependencies(pyproject: str) -> list[str]:
    settings = tomllib.loads(pyproject)
    project = settings.get("project", {})
    groups = [*project.get("optional-dependencies", {}).values(), *settings.get("dependency-groups", {}).values()]
    wanted = [*project.get("dependencies", []), *(line for group in groups for line in group)]
    named = (NAME.match(line) for line in wanted if isinstance(line, str))  # A table includes another group.
    return sorted({match.group().lower() for match in named if match})
