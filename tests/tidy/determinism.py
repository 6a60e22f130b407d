"""What a core may not call, and that no order comes from a hash.

Invariant: names are followed through the module's own imports, so an alias hides nothing. Iteration over sets is found where
the set is visible in the same function or class; the simulator's runs under two hash seeds find the rest.
"""

import ast
from collections.abc import Iterator

from tests.tidy.tree import Finding, Function, Module, Tree

WITHOUT_IO = ("mesh", "sim")  # And not a list of cores, so that a new one is inside the fence from its first line.
WITH_IO = (
    *(
        "mesh.config",
        "mesh.storage",
        "mesh.transport",
        "mesh.runtime",
        "mesh.units",
        "mesh.api",
        "mesh.client",
        "mesh.cli",
        "mesh.demo",
    ),
    *("mesh.__main__", "sim.cli", "sim.report", "sim.experiments", "sim.sweep", "sim.__main__"),
)

CLOCKS = ("time", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today")
CHANCE = ("os.urandom", "os.getrandom", "secrets", "uuid.uuid1", "uuid.uuid4", "random")
FORBIDDEN = {
    **dict.fromkeys(CLOCKS, "take `now` as an argument"),
    **dict.fromkeys(CHANCE, "take a seeded `random.Random` or `entropy` as an argument"),
    "hash": "it differs between processes; use hashlib, or compare values",
    "print": "return an effect",
}
ALLOWED = {"random.Random", "time.struct_time"}
ORDER_FREE = {"sorted", "set", "frozenset", "sum", "any", "all", "min", "max", "len"}
ORDER_KEEPING = {"list", "tuple", "iter", "enumerate", "dict.fromkeys", "next", "map", "filter", "zip"}
SET_METHODS = {"union", "intersection", "difference", "symmetric_difference"}
SET_TYPES = {"set", "frozenset", "Set", "AbstractSet", "MutableSet"}


def calls(tree: Tree) -> Iterator[Finding]:
    """A core asks for no time, no chance and no hash of its own, and prints nothing."""
    for module in _cores(tree):
        known = _imported(module)
        for scope, call in _calls(module.tree, ""):
            name = _dotted(call.func, known)
            found = _forbidden(name)
            seedless = name == "random.Random" and not call.args
            if seedless or (found and not scope.endswith("__hash__")):
                what = "an unseeded random.Random()" if seedless else f"{name}()"
                said = f"{module.line(call)}: a core may not call {what}; {FORBIDDEN[found or 'random']}"
                yield Finding("core-call", f"{module.path}::{scope or 'module'}", said)


def set_order(tree: Tree) -> Iterator[Finding]:
    """A core takes no order from a set."""
    for module in _cores(tree):
        for scope, node, sets in _scopes(module.tree, "", frozenset()):
            for line in _ordered_by_a_set(node, sets):
                said = f"{module.path}:{line}: the order of a set differs between processes; iterate over sorted(…) or a dict"
                yield Finding("set-order", f"{module.path}::{scope or 'module'}", said)


def _cores(tree: Tree) -> Iterator[Module]:
    return (module for module in tree.modules if module.is_in(WITHOUT_IO) and not module.is_in(WITH_IO))


def _imported(module: Module) -> dict[str, str]:
    """What each imported name stands for: {"monotonic": "time.monotonic"}."""
    known: dict[str, str] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            known |= {alias.asname: alias.name for alias in node.names if alias.asname}
            known |= {name: name for name in (alias.name.split(".")[0] for alias in node.names if not alias.asname)}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return known


def _dotted(node: ast.expr, known: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value, known)
        return f"{before}.{node.attr}" if before else ""
    if not isinstance(node, ast.Name):
        return ""
    if node.id in known:
        return known[node.id]
    return node.id if node.id in {"hash", "print"} | ORDER_FREE | ORDER_KEEPING | {"dict"} else ""


def _forbidden(name: str) -> str | None:
    if not name or name in ALLOWED:
        return None
    return next((rule for rule in FORBIDDEN if name == rule or name.startswith(f"{rule}.")), None)


def _calls(node: ast.AST, scope: str) -> Iterator[tuple[str, ast.Call]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield scope, child
        yield from _calls(child, _inner(scope, child))


def _inner(scope: str, node: ast.AST) -> str:
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return f"{scope}.{node.name}".strip(".")
    return scope


def _scopes(node: ast.AST, scope: str, sets: frozenset[str]) -> Iterator[tuple[str, ast.AST, frozenset[str]]]:
    """Each module, class and function, with the names in it that are known to be sets (`seen`, `self._seen`)."""
    here = (sets - _bound_names(node)) | _set_names(node)
    yield scope, node, here
    for child in _walk(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _scopes(child, _inner(scope, child), here)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes of one scope: an inner class or function is seen, its inside is not."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _walk(child)


def _set_names(node: ast.AST) -> frozenset[str]:
    if isinstance(node, ast.ClassDef):
        inside = {name for child in ast.walk(node) for name in _assigned_sets(child) if name.startswith("self.")}
        return frozenset(inside | {f"self.{name}" for line in node.body for name in _assigned_sets(line)})
    names = {name for child in _walk(node) for name in _assigned_sets(child) if "." not in name}
    if isinstance(node, Function):
        taken = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        names |= {argument.arg for argument in taken if _is_set_type(argument.annotation)}
    return frozenset(names)


def _bound_names(node: ast.AST) -> set[str]:
    """Names that a function gives a meaning of its own, whatever they mean outside."""
    bound = {child.id for child in _walk(node) if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store)}
    return bound | {child.arg for child in _walk(node) if isinstance(child, ast.arg)}


def _assigned_sets(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.AnnAssign) and _is_set_type(node.annotation):
        yield _target(node.target)
    elif isinstance(node, ast.Assign) and _is_set(node.value, frozenset()):
        yield from (_target(target) for target in node.targets)


def _target(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return f"self.{node.attr}"
    return ""


def _is_set_type(node: ast.expr | None) -> bool:
    plain = node.value if isinstance(node, ast.Subscript) else node
    return getattr(plain, "attr", getattr(plain, "id", "")) in SET_TYPES


def _is_set(node: ast.expr, sets: frozenset[str]) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Call(func=ast.Attribute(value=value, attr=method)) if method in SET_METHODS:
            return _is_set(value, sets)
        case ast.BinOp(left=left, right=right, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor()):
            return any(_is_set(side, sets) or _is_keys(side) for side in (left, right))
        case ast.Name() | ast.Attribute():
            return _target(node) in sets
        case _:
            return False


def _is_keys(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "keys"


def _ordered_by_a_set(scope: ast.AST, sets: frozenset[str]) -> Iterator[int]:
    free = {id(argument) for node in _walk(scope) for argument in _order_free(node)}
    for node in _walk(scope):
        for iterated in () if id(node) in free else _iterated(node):
            if _is_set(iterated, sets):
                yield iterated.lineno


def _order_free(node: ast.AST) -> list[ast.expr]:
    """Arguments of calls whose result does not depend on the order of what they get."""
    return node.args if isinstance(node, ast.Call) and _dotted(node.func, {}) in ORDER_FREE else []


def _iterated(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.For(iter=iterated):
            return [iterated]
        case ast.ListComp(generators=generators) | ast.DictComp(generators=generators):
            return [generator.iter for generator in generators]
        case ast.GeneratorExp(generators=generators):
            return [generator.iter for generator in generators]
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            return [part.value for part in parts if isinstance(part, ast.Starred)]
        case ast.Call(func=ast.Attribute(attr="join" | "extend"), args=[iterated]):
            return [iterated]
        case ast.Call(func=func, args=taken) if _dotted(func, {}) in ORDER_KEEPING:
            return taken
    return []
