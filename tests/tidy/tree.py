"""What the tidy rules look at: the files of the repository as text, and its Python modules as syntax trees.

Invariant: a rule sees the tree only through this class, so a planted fault is a dictionary of two lines.
"""

import ast
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

PACKAGES = ("mesh", "sim", "bench")
NOT_OURS = {".git", ".venv", "node_modules", "build", "dist", "__pycache__"}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Owner = ast.ClassDef | Function


@dataclass(frozen=True)
class Finding:
    """A rule, the place that breaks it, and a sentence that says what was found and what to do.

    `place` carries no line number, so that a debt keeps its name while the file around it changes.
    """

    rule: str
    place: str
    said: str


@dataclass(frozen=True)
class Definition:
    """A class, function or method. `owners` are the definitions around it, outermost first."""

    node: Owner
    owners: tuple[Owner, ...]

    @property
    def name(self) -> str:
        """The name with its owners': `Prober.handle`."""
        return ".".join(node.name for node in (*self.owners, self.node))

    @property
    def is_method(self) -> bool:
        """A function that stands directly in a class."""
        return (
            not isinstance(self.node, ast.ClassDef) and bool(self.owners) and isinstance(self.owners[-1], ast.ClassDef)
        )


@dataclass(frozen=True)
class Module:
    """One Python module of ours."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree. Raises SyntaxError where it has none."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.parse(self.text, self.path)

    @property
    def name(self) -> str:
        """The dotted name; a package's own name for its `__init__`."""
        parts = PurePosixPath(self.path).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def is_in(self, packages: tuple[str, ...]) -> bool:
        """Whether it is one of the named modules or stands inside one."""
        return any(self.name == package or self.name.startswith(f"{package}.") for package in packages)

    @cached_property
    def definitions(self) -> list[Definition]:
        """All classes, functions and methods, at any depth."""
        return list(_definitions(self.tree, ()))

    def at(self, definition: Definition) -> str:
        """The place of a definition: `mesh/gossip/prober.py::Prober.handle`."""
        return f"{self.path}::{definition.name}"

    def line(self, node: ast.AST) -> str:
        """The place of a node, for people."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


class Tree:
    """A repository: paths relative to its root, with `/`, and what the files hold."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files

    @classmethod
    def on_disk(cls, root: Path) -> "Tree":
        """Everything that git would take; without git, everything that isn't plainly generated."""
        return cls(
            {name: (root / name).read_text("utf-8", "replace") for name in _names(root) if (root / name).is_file()}
        )

    @cached_property
    def modules(self) -> list[Module]:
        """Our modules that parse; the rule `syntax` reports the others."""
        return [module for module in self.candidates if _parses(module)]

    @cached_property
    def candidates(self) -> list[Module]:
        """All files that should be modules of ours."""
        ours = (path for path in sorted(self.files) if path.endswith(".py") and path.split("/")[0] in PACKAGES)
        return [Module(path, self.files[path]) for path in ours]


def _parses(module: Module) -> bool:
    try:
        return bool(module.tree)
    except SyntaxError:
        return False


def _names(root: Path) -> list[str]:
    command = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    try:
        listed = subprocess.run(command, cwd=root, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):  # An unpacked source archive has no git.
        paths = (path.relative_to(root) for path in root.rglob("*"))
        return sorted(path.as_posix() for path in paths if not NOT_OURS.intersection(path.parts))
    return sorted(name for name in set(listed.split("\0")) if name)


def _definitions(node: ast.AST, owners: tuple[Owner, ...]) -> Iterator[Definition]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield Definition(child, owners)
            yield from _definitions(child, (*owners, child))
        else:
            yield from _definitions(child, owners)
