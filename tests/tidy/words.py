"""Docstrings: what everything public promises, and which invariant a core keeps.

Invariant: what is exempt is exempt by a reason that can be read off the code, never by a list of names in another file.
"""

import ast
from collections.abc import Iterator

from tests.tidy.tree import Definition, Finding, Tree

CORES = (
    *("mesh.crdt", "mesh.gossip", "mesh.peer", "mesh.calls", "mesh.supervision", "mesh.records", "mesh.wire"),
    *("mesh.storage", "mesh.transport", "mesh.runtime", "sim"),
)
SAID_ELSEWHERE = {
    "handle",
    "deadline",
    "check",
}  # Their meaning is the same in every core, and CONTRIBUTING.md tells it.
DUNDER_LINES_MAX = 10  # A longer one does something that its name doesn't say.
PLAIN_BASES = {
    *("object", "Struct", "Protocol", "Generic", "ABC", "Enum", "IntEnum", "StrEnum", "Flag", "IntFlag"),
    *("NamedTuple", "TypedDict", "Exception", "BaseException", "ValueError", "RuntimeError", "str", "int", "bytes"),
}


def module_docstrings(tree: Tree) -> Iterator[Finding]:
    """Every module says what it is for."""
    for module in tree.modules:
        if not ast.get_docstring(module.tree):
            said = "no docstring; begin the file with a sentence on what it is for"
            yield Finding("module-docstring", module.path, said)


def invariants(tree: Tree) -> Iterator[Finding]:
    """Every module of a core that defines something states its invariant."""
    for module in tree.modules:
        if not module.is_in(CORES) or not module.definitions:
            continue
        if "Invariant" not in (ast.get_docstring(module.tree) or ""):
            said = "the docstring of a core states what is always true in it; add a line `Invariant: …`"
            yield Finding("invariant", module.path, said)


def docstrings(tree: Tree) -> Iterator[Finding]:
    """Every public class, function and method says what it does."""
    classes = _classes(tree)
    for module in tree.modules:
        if any(part.startswith("_") and part != "__main__" for part in module.name.split(".")):
            continue
        for definition in module.definitions:
            if (
                _is_public(definition)
                and not ast.get_docstring(definition.node)
                and not _is_exempt(definition, classes)
            ):
                said = (
                    f"{module.line(definition.node)}: public and without a docstring; say what it does, or name it _…"
                )
                yield Finding("docstring", module.at(definition), said)


def _classes(tree: Tree) -> dict[str, list[ast.ClassDef]]:
    classes: dict[str, list[ast.ClassDef]] = {}
    for module in tree.modules:
        for definition in module.definitions:
            if isinstance(definition.node, ast.ClassDef):
                classes.setdefault(definition.node.name, []).append(definition.node)
    return classes


def _is_public(definition: Definition) -> bool:
    around = (*definition.owners, definition.node)
    inside_a_function = any(not isinstance(owner, ast.ClassDef) for owner in definition.owners)
    return not inside_a_function and not any(node.name.startswith("_") and not _is_dunder(node.name) for node in around)


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _is_exempt(definition: Definition, classes: dict[str, list[ast.ClassDef]]) -> bool:
    node = definition.node
    if isinstance(node, ast.ClassDef):
        return False
    marks = {mark.attr if isinstance(mark, ast.Attribute) else getattr(mark, "id", "") for mark in node.decorator_list}
    if marks & {"overload", "override", "setter", "deleter"}:
        return True
    if not definition.is_method:
        return False
    if _is_dunder(node.name):  # The class's docstring speaks for `__init__`.
        return node.name == "__init__" or (node.end_lineno or 0) - node.lineno < DUNDER_LINES_MAX
    owner = definition.owners[-1]
    assert isinstance(owner, ast.ClassDef)
    return node.name in SAID_ELSEWHERE or _overrides(owner, node.name, classes) or _fulfils(owner, node.name, classes)


def _overrides(owner: ast.ClassDef, name: str, classes: dict[str, list[ast.ClassDef]]) -> bool:
    """Whether a base in the tree has the method, or a base from a library may have it."""
    for base in _base_names(owner):
        ours = [found for found in classes.get(base, []) if found is not owner]
        if not ours and base not in PLAIN_BASES:
            return True
        if any(name in _methods(found) or _overrides(found, name, classes) for found in ours):
            return True
    return False


def _fulfils(owner: ast.ClassDef, name: str, classes: dict[str, list[ast.ClassDef]]) -> bool:
    """Whether the method is there because the class has the shape of one of our protocols, whose words then hold."""
    protocols = (found for group in classes.values() for found in group if "Protocol" in _base_names(found))
    return any(
        name in _methods(found) and _methods(found) <= _methods(owner) for found in protocols if found is not owner
    )


def _base_names(node: ast.ClassDef) -> list[str]:
    plain = (base.value if isinstance(base, ast.Subscript) else base for base in node.bases)
    return [base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in plain]


def _methods(node: ast.ClassDef) -> set[str]:
    return {line.name for line in node.body if isinstance(line, ast.FunctionDef | ast.AsyncFunctionDef)}
