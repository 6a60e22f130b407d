"""Sizes, names and mirrors: what can be seen of a module without reading it.

Invariant: every limit stands once, here, and in words in CONTRIBUTING.md.
"""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.tidy.tree import Definition, Finding, Function, Module, Tree

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
NESTING_MAX = 3
ARGUMENTS_MAX = 5
MIRROR_FROM_LINES = 60  # A longer module holds a promise, and a promise has a test.
VAGUE = {"util", "utils", "common", "base", "manager", "managers", "helper", "helpers", "handler", "handlers"}
MIRRORED = ("mesh", "sim")

Block = ast.If | ast.For | ast.AsyncFor | ast.While | ast.With | ast.AsyncWith | ast.Try | ast.TryStar | ast.Match


def syntax(tree: Tree) -> Iterator[Finding]:
    """Every module parses."""
    for module in tree.candidates:
        if module not in tree.modules:
            yield Finding(
                "syntax", module.path, "this file is not Python, so nothing else could be checked; mend it first"
            )


def file_size(tree: Tree) -> Iterator[Finding]:
    """A file is at most 400 lines."""
    for module in tree.modules:
        lines = len(module.text.splitlines())
        if lines > FILE_LINES_MAX:
            said = f"{lines} lines, at most {FILE_LINES_MAX}; it holds two ideas: give the second a file of its own"
            yield Finding("file-size", module.path, said)


def function_size(tree: Tree) -> Iterator[Finding]:
    """A function is at most 50 lines, its docstring counted: a command's help text is as long as its options are many."""
    for module, definition, function in _functions(tree):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            said = f"{module.line(function)}: {lines} lines, at most {FUNCTION_LINES_MAX}; name its steps as functions"
            yield Finding("function-size", module.at(definition), said)


def nesting(tree: Tree) -> Iterator[Finding]:
    """Blocks nest at most 3 deep; `elif` and `case` add no level."""
    for module, definition, function in _functions(tree):
        depth = _depth(function.body)
        if depth > NESTING_MAX:
            said = f"{module.line(function)}: blocks nest {depth} deep, at most {NESTING_MAX}; return early or split it"
            yield Finding("nesting", module.at(definition), said)


def arguments(tree: Tree) -> Iterator[Finding]:
    """A function takes at most 5 positional arguments besides `self`."""
    for module, definition, function in _functions(tree):
        taken = [*function.args.posonlyargs, *function.args.args]
        count = len(taken) - (1 if definition.is_method and not _is_static(function) and taken else 0)
        if count > ARGUMENTS_MAX:
            said = f"{module.line(function)}: {count} arguments, at most {ARGUMENTS_MAX}; group them or make them keyword-only"
            yield Finding("arguments", module.at(definition), said)


def names(tree: Tree) -> Iterator[Finding]:
    """No module or package has a name that says nothing."""
    for module in tree.candidates:
        vague = VAGUE.intersection(PurePosixPath(module.path).with_suffix("").parts)
        if vague:
            said = f"`{min(vague)}` says nothing of what is inside; name the idea (`budget`, `staging`)"
            yield Finding("names", module.path, said)


def mirrors(tree: Tree) -> Iterator[Finding]:
    """A module with more than 60 lines and any behaviour has its test file at the mirrored place."""
    for module in tree.modules:
        wanted = _mirror(module)
        long = len(module.text.splitlines()) > MIRROR_FROM_LINES
        if long and wanted[0] and _behaves(module) and not any(path in tree.files for path in wanted):
            yield Finding("mirrors", module.path, f"nothing tests it where one looks for it; write {wanted[0]}")


def _mirror(module: Module) -> tuple[str, ...]:
    path = PurePosixPath(module.path)
    if path.parts[0] not in MIRRORED or path.stem == "__main__":
        return ("",)
    stem = path.parent.name if path.stem == "__init__" else path.stem
    inside = path.parts[1:-1] if path.parts[0] == "mesh" else path.parts[:-1]
    return tuple("/".join(("tests", *inside, f"test_{name}.py")) for name in dict.fromkeys((stem.strip("_"), stem)))


def _behaves(module: Module) -> bool:
    return any(
        not isinstance(found.node, ast.ClassDef) and any(not _is_blank(line) for line in found.node.body)
        for found in module.definitions
    )


def _is_blank(line: ast.stmt) -> bool:
    return isinstance(line, ast.Pass) or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant))


def _functions(tree: Tree) -> Iterator[tuple[Module, Definition, Function]]:
    for module in tree.modules:
        for definition in module.definitions:
            if not isinstance(definition.node, ast.ClassDef):
                yield module, definition, definition.node


def _is_static(function: Function) -> bool:
    return any(isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in function.decorator_list)


def _depth(body: list[ast.stmt]) -> int:
    return max((_block_depth(line) for line in body), default=0)


def _block_depth(line: ast.stmt) -> int:
    if not isinstance(line, Block):
        return 0
    deepest = max((_depth(body) for body in _bodies(line)), default=0)
    after = _elif(line)
    return max(1 + deepest, _block_depth(after) if after else 0)


def _bodies(block: Block) -> Iterator[list[ast.stmt]]:
    if isinstance(block, ast.Match):
        yield from (case.body for case in block.cases)
        return
    yield block.body
    if isinstance(block, ast.Try | ast.TryStar):
        yield from (caught.body for caught in block.handlers)
        yield block.finalbody
    if not isinstance(block, ast.With | ast.AsyncWith) and not _elif(block):
        yield block.orelse


def _elif(line: ast.stmt) -> ast.If | None:
    """The `elif` of an `if`: alone in `orelse`, in the same column; a nested `if` begins further right."""
    if not isinstance(line, ast.If) or len(line.orelse) != 1:
        return None
    after = line.orelse[0]
    return after if isinstance(after, ast.If) and after.col_offset == line.col_offset else None
