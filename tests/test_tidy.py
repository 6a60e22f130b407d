"""The house rules that a machine can check, and the proof that each of these checks can fail.

Invariant: a rule without a planted fault below does not count; the test of the list says so.
"""

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tidy import determinism, repository, shape, words
from tests.tidy.tree import Finding, Tree

ROOT = Path(__file__).resolve().parent.parent
DEBTS = ROOT / "tests" / "tidy" / "debts.toml"

Rule = Callable[[Tree], Iterator[Finding]]

RULES: dict[str, Rule] = {
    "syntax": shape.syntax,
    "file-size": shape.file_size,
    "function-size": shape.function_size,
    "nesting": shape.nesting,
    "arguments": shape.arguments,
    "names": shape.names,
    "mirrors": shape.mirrors,
    "module-docstring": words.module_docstrings,
    "invariant": words.invariants,
    "docstring": words.docstrings,
    "core-call": determinism.calls,
    "set-order": determinism.set_order,
    "machine-path": repository.machine_paths,
    "registry-host": repository.registry_hosts,
    "dependency-line": repository.dependency_lines,
}


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree.on_disk(ROOT)


@pytest.fixture(scope="module")
def debts() -> dict[str, dict[str, str]]:
    return tomllib.loads(DEBTS.read_text("utf-8"))


@pytest.mark.parametrize("rule", RULES)
def test_the_tree_keeps_the_rule(rule: str, tree: Tree, debts: dict[str, dict[str, str]]) -> None:
    owed = debts.get(rule, {})
    found = [finding for finding in RULES[rule](tree) if finding.place not in owed]
    lines = [f"  {finding.place}\n      {finding.said}" for finding in found]
    if lines:
        pytest.fail("\n".join([f"{RULES[rule].__doc__} Broken {len(lines)} times:", *lines]), pytrace=False)


@pytest.mark.parametrize("rule", RULES)
def test_no_debt_outlives_its_reason(rule: str, tree: Tree, debts: dict[str, dict[str, str]]) -> None:
    places = {finding.place for finding in RULES[rule](tree)}
    paid = [place for place in debts.get(rule, {}) if place not in places]
    if paid:
        pytest.fail(f"paid, so take them out of [{rule}] in {DEBTS.name}: {', '.join(paid)}", pytrace=False)


def test_every_debt_names_a_rule_and_a_reason(debts: dict[str, dict[str, str]]) -> None:
    assert set(debts) <= set(RULES)
    assert all(reason.strip() for places in debts.values() for reason in places.values())


# What each rule must find. A fault is a file, what it holds, and the place that the rule names.

TEN_LINES = "\n".join(["    x = 1"] * 10)
BEHAVIOUR = f'"""X."""\n\n\ndef _f() -> None:\n{TEN_LINES}\n' + "\n" * 60
FAULTS = [
    ("syntax", "mesh/a.py", "def f(:\n", "mesh/a.py"),
    ("file-size", "sim/a.py", "x = 1\n" * 401, "sim/a.py"),
    ("function-size", "bench/a.py", "def f():\n" + f"{TEN_LINES}\n" * 5 + "    y = 2\n", "bench/a.py::f"),
    ("function-size", "mesh/a.py", 'def f():\n    """F.\n' + "    x\n" * 49 + '    """\n', "mesh/a.py::f"),
    (
        "nesting",
        "mesh/a.py",
        "def f():\n if a:\n  for b in c:\n   try:\n    if d:\n     e()\n   finally: e()\n",
        "mesh/a.py::f",
    ),
    ("nesting", "mesh/a.py", "def f():\n if a:\n  b\n else:\n  if c:\n   while d:\n    with e: f()\n", "mesh/a.py::f"),
    ("arguments", "mesh/a.py", "def f(a, b, c, d, e, g): ...\n", "mesh/a.py::f"),
    ("arguments", "mesh/a.py", "class A:\n def f(self, a, b, c, d, e, g): ...\n", "mesh/a.py::A.f"),
    ("names", "mesh/gossip/utils.py", '"""X."""\n', "mesh/gossip/utils.py"),
    ("names", "mesh/common/a.py", '"""X."""\n', "mesh/common/a.py"),
    ("mirrors", "mesh/a/b.py", BEHAVIOUR, "mesh/a/b.py"),
    ("mirrors", "sim/b.py", BEHAVIOUR, "sim/b.py"),
    ("module-docstring", "mesh/a.py", "x = 1\n", "mesh/a.py"),
    ("invariant", "mesh/gossip/a.py", '"""X."""\n\n\nclass A:\n    """A."""\n', "mesh/gossip/a.py"),
    ("invariant", "mesh/peer.py", '"""X."""\n\n\ndef f():\n    """F."""\n', "mesh/peer.py"),
    ("docstring", "mesh/a.py", "class A:\n    x = 1\n", "mesh/a.py::A"),
    ("docstring", "mesh/a.py", 'class A(Protocol):\n    """A."""\n    def f(self): ...\n', "mesh/a.py::A.f"),
    ("docstring", "mesh/a.py", "async def f():\n    return 1\n", "mesh/a.py::f"),
    ("core-call", "mesh/crdt/a.py", "import time\ndef f():\n    return time.monotonic()\n", "mesh/crdt/a.py::f"),
    ("core-call", "mesh/crdt/a.py", "from time import time as now\nx = now()\n", "mesh/crdt/a.py::module"),
    ("core-call", "mesh/peer.py", "from datetime import datetime\nx = datetime.now()\n", "mesh/peer.py::module"),
    ("core-call", "mesh/peer.py", "import datetime as d\nx = d.datetime.now()\n", "mesh/peer.py::module"),
    ("core-call", "sim/a.py", "import os\nx = os.urandom(8)\n", "sim/a.py::module"),
    ("core-call", "sim/a.py", "from random import Random, choice\nx = choice([1])\n", "sim/a.py::module"),
    ("core-call", "sim/a.py", "from random import Random\nx = Random()\n", "sim/a.py::module"),
    ("core-call", "mesh/wire.py", "import secrets\nx = secrets.token_bytes(8)\n", "mesh/wire.py::module"),
    ("core-call", "mesh/wire.py", "def f(x):\n    return hash(x)\n", "mesh/wire.py::f"),
    ("core-call", "mesh/wire.py", "print(1)\n", "mesh/wire.py::module"),
    ("set-order", "mesh/wire.py", "for x in {1, 2}: y(x)\n", "mesh/wire.py::module"),
    ("set-order", "mesh/wire.py", "def f(a):\n    return [x for x in set(a)]\n", "mesh/wire.py::f"),
    ("set-order", "mesh/wire.py", "def f(a: set[int]):\n    return list(a)\n", "mesh/wire.py::f"),
    ("set-order", "mesh/wire.py", "def f(a, b):\n    for x in a.keys() - b: y(x)\n", "mesh/wire.py::f"),
    (
        "set-order",
        "mesh/wire.py",
        "class A:\n def __init__(self):\n  self.s = set()\n def f(self):\n  for x in self.s: y(x)\n",
        "mesh/wire.py::A.f",
    ),
    ("machine-path", "docs/a.md", "see `/" + "work/main`\n", "docs/a.md"),
    ("machine-path", "a.toml", 'x = "file:///' + 'root/x"\n', "a.toml"),
    ("registry-host", "web/package-lock.json", "https://registry." + "npmjs.example\n", "web/package-lock.json"),
    ("dependency-line", "pyproject.toml", '[project]\ndependencies = ["trio>=0.35,<1"]\n', "trio"),
    ("dependency-line", "pyproject.toml", '[project.optional-dependencies]\nsim = ["numpy"]\n', "numpy"),
    ("dependency-line", "pyproject.toml", '[dependency-groups]\ndev = ["httpx2[ws]>=2"]\n', "httpx2"),
]


@pytest.mark.parametrize(("rule", "path", "text", "place"), FAULTS)
def test_the_rule_finds_the_planted_fault(rule: str, path: str, text: str, place: str) -> None:
    assert [finding.place for finding in RULES[rule](Tree({path: text}))] == [place]


def test_every_rule_has_a_planted_fault() -> None:
    assert {fault[0] for fault in FAULTS} == set(RULES)


TIDY = '''"""Keeps time out.

Invariant: nothing here knows the hour.
"""

from random import Random


class Counter:
    """Counts what it saw."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._seen: set[int] = set()

    def __hash__(self) -> int:
        return hash(len(self._seen))

    def again(self, kept: list[int]) -> list[int]:
        """Lists may be walked, even where another function calls a set by that name."""
        return [one for one in kept]

    def known(self) -> int:
        """How many were seen."""
        kept = set(self._seen)
        return len(kept)

    def handle(self, event: int) -> list[int]:
        if event == 1:
            return []
        elif event == 2:
            for one in sorted(self._seen):
                if one == self._rng.random():
                    return [one]
        elif event == 3:
            return sorted(x + 1 for x in self._seen)
        return [max(self._seen)]


class Shown(Counter):
    """Counts and shows."""

    def show(self, a: int, b: int, c: int, d: int, e: int, *, f: int) -> int:
        """The sum."""
        return sum((a, b, c, d, e, f))


class Loud(Shown):
    """Says it louder; the words of `Shown.show` hold."""

    def show(self, a: int, b: int, c: int, d: int, e: int, *, f: int) -> int:
        return 2 * super().show(a, b, c, d, e, f=f)
'''


@pytest.mark.parametrize("rule", RULES)
def test_a_tidy_tree_has_no_findings(rule: str) -> None:
    files = {
        "mesh/gossip/counter.py": TIDY + "\n" * 60,
        "tests/gossip/test_counter.py": "",
        "pyproject.toml": '[project]\ndependencies = ["trio>=0.35"]\n',
        "docs/dependencies.md": "| `trio` | every task, timer and socket | cancellation that can be trusted |\n",
        "README.md": "~/" + "work/x, http://host/v1/" + "work/ and mesh/" + "work/ are nobody's machine\n",
    }
    assert [finding.said for finding in RULES[rule](Tree(files))] == []
