"""Change bounds and lattice in one place after the other, and see whether the tests notice.

    python -m scripts.mutate                      # all mutants of both modules; minutes to an hour
    python -m scripts.mutate --module lattice --every 10
    python -m scripts.mutate --evidence docs/evidence/mutation.md

A mutant is the module with one operator, constant, condition or statement changed. Each runs the tests in a fork of a
process in which everything but hepae is loaded already. Texts of messages, annotations and the arguments of
`numpy.errstate` are not changed: they are not what is trusted.
"""

from __future__ import annotations

import argparse
import ast
import copy
import hashlib
import importlib
import importlib.abc
import importlib.util
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.progress import track

from scripts.evidence import Page, commit, now

ROOT = Path(__file__).parent.parent
MODULES = {"bounds": "hepae.bounds", "lattice": "hepae.lattice", "tabulated": "hepae.tabulated"}
TESTS = tuple(f"tests/test_{name}.py" for name in ("bound", "lattice_points", "lattice", "exhaustive"))
LOADED = (
    "awkward", "hypothesis.extra.numpy", "msgspec", "numpy", "onnx", "onnxruntime", "pcodec", "pytest", "rich.table",
    "uproot", "xxhash",
)  # fmt: skip
OPTIONS = ("-x", "-q", "-n0", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
CPU_SECONDS = 60
ENOUGH = 0.9
REASONS: dict[str, str] = {}
"""Why a mutant cannot be told from the original, by its change."""

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}  # fmt: skip
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A change: where, what it was, what it becomes, and the module that has it."""

    line: int
    before: str
    after: str
    tree: ast.Module

    @property
    def change(self) -> str:
        """What is changed."""
        return f"`{self.before}` becomes `{self.after}`"

    def __str__(self) -> str:
        return f"line {self.line}: {self.change}"


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its lines."""
    tree = ast.parse(source)
    for number in range(sum(1 for _ in _changes(tree))):
        other = copy.deepcopy(tree)
        node, change = next(islice(_changes(other), number, None))
        before = ast.unparse(node)
        if isinstance(change, ast.AST):
            _replace(other, node, change)
            after = ast.unparse(change)
        else:
            for name, value in change.items():
                setattr(node, name, value)
            after = ast.unparse(ast.fix_missing_locations(node))
        line = getattr(node, "lineno", 0)
        yield Mutant(line, _short(before), _short(after), ast.fix_missing_locations(other))


def _short(text: str) -> str:
    return " ".join(text.split())[:100]


Change = tuple[ast.AST, "dict[str, Any] | ast.AST"]


def _changes(tree: ast.Module) -> Iterator[Change]:
    """Nodes with what becomes of them: fields to set, or a node in their place."""
    for node in _trusted(tree):
        yield from _of_operator(node)
        yield from _of_choice(node)
        yield from _of_statement(node)


def _of_operator(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for other in COMPARISONS[type(operator)]:
                yield node, {"ops": [*node.ops[:place], other(), *node.ops[place + 1 :]]}
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in OPERATORS:
        yield node, {"op": OPERATORS[type(node.op)]()}
    elif isinstance(node, ast.BoolOp):
        yield node, {"op": ast.Or() if isinstance(node.op, ast.And) else ast.And()}
    elif isinstance(node, ast.UnaryOp):
        yield node, node.operand
    elif isinstance(node, ast.Constant) and node.value is not None:
        yield node, {"value": _other(node.value)}


def _other(value: object) -> object:
    """Another constant of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "?"
    assert isinstance(value, int | float)
    return value + 1 if isinstance(value, int) else 2 * value or 1.0


def _of_choice(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        yield node, {"test": ast.UnaryOp(ast.Not(), node.test)}
    if isinstance(node, ast.comprehension) and node.ifs:
        yield node, {"ifs": []}


def _of_statement(node: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Raise | ast.AugAssign | ast.Expr) or (
        isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name | ast.Tuple)
    ):
        yield node, ast.copy_location(ast.Pass(), node)


def _trusted(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but annotations, decorators, documentation, messages, declarations and settings of warnings."""
    for field, value in ast.iter_fields(tree):
        if field in (
            "annotation",
            "returns",
            "decorator_list",
            "type_params",
            "bases",
            "keywords",
        ) and not isinstance(tree, ast.Call):
            continue
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.AST) and not _untrusted(node):
                yield node
                if not isinstance(node, ast.Raise):
                    yield from _trusted(node)


def _untrusted(node: ast.AST) -> bool:
    """Documentation, declarations, aliases of types, settings of warnings."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Assign):
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        alias = isinstance(node.value, ast.BinOp) and isinstance(node.value.op, ast.BitOr)
        return "__all__" in names or alias
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) == "np.errstate"
    return isinstance(node, ast.AnnAssign) and node.value is None


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, field, new)
            elif isinstance(value, list) and any(item is old for item in value):
                setattr(parent, field, [new if item is old else item for item in value])


class Loader(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a tree."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name, self.tree = name, tree

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module, if it is this one."""
        return importlib.util.spec_from_loader(name, self) if name == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed code."""
        exec(compile(self.tree, self.name, "exec"), module.__dict__)  # noqa: S102 - that is what a mutant is for


def survives(module: str, tree: ast.Module, tests: Sequence[str]) -> bool:
    """Whether all tests pass with this tree in the place of the module, in a fork."""
    child = os.fork()
    if child == 0:
        _silence()
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        sys.meta_path.insert(0, Loader(module, tree))
        code = 1
        try:
            import pytest

            code = int(pytest.main([*OPTIONS, *tests]))
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return status == 0


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)


class State:
    """Mutants that were killed before: they stay so while the module is the same and tests are only added."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.killed: dict[str, list[int]] = {}
        if path is not None and path.exists():
            self.killed = json.loads(path.read_text(encoding="utf-8"))

    def note(self, source: str, number: int) -> None:
        """One more was killed."""
        self.killed.setdefault(self._key(source), []).append(number)
        if self.path is not None:
            self.path.write_text(json.dumps(self.killed), encoding="utf-8")

    def knows(self, source: str, number: int) -> bool:
        """Whether it was killed before."""
        return number in self.killed.get(self._key(source), [])

    @staticmethod
    def _key(source: str) -> str:
        return hashlib.sha256(source.encode()).hexdigest()


def attempt(name: str, every: int, tests: Sequence[str], state: State) -> tuple[int, list[Mutant]]:
    """How many mutants of a module there are, and those that survive."""
    source = (ROOT / "hepae" / f"{name}.py").read_text(encoding="utf-8")
    if not survives(MODULES[name], ast.parse(source), tests):
        raise SystemExit(f"{name}: the tests fail as it is")
    alive, total = [], 0
    for number, mutant in track(list(enumerate(mutants(source)))[::every], name):
        total += 1
        if state.knows(source, number):
            continue
        if survives(MODULES[name], mutant.tree, tests):
            alive.append(mutant)
            print(f"{name}, {mutant}", flush=True)
        else:
            state.note(source, number)
    return total, alive


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--module", choices=list(MODULES), action="append", help="only these")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th mutant")
    parser.add_argument("--state", type=Path, help="file to note what was killed in, and to resume from")
    parser.add_argument("--test", action="append", help="these tests instead of the usual ones")
    parser.add_argument("--evidence", type=Path, help="page to note the outcome in")
    options = parser.parse_args()
    os.environ.update(CI="1", HEPAE_EXAMPLES="12")  # the same few examples for each mutant
    for name in LOADED:
        importlib.import_module(name)
    enough, state = True, State(options.state)
    for name in options.module or MODULES:
        began = time.perf_counter()
        total, alive = attempt(name, options.every, options.test or TESTS, state)
        killed, minutes = total - len(alive), (time.perf_counter() - began) / 60
        enough &= killed >= ENOUGH * total
        print(f"{name}: {killed} of {total} killed, {minutes:.0f} min")
        if options.evidence:
            page(options.evidence).note([row(name, total, alive)])
    return 0 if enough else 1


def page(path: Path) -> Page:
    """The page of evidence."""
    text = (
        "Each mutant of a module has one operator, constant, condition or statement changed; it is killed when a test "
        "fails. Made by `python -m scripts.mutate --evidence docs/evidence/mutation.md`, which says what is not "
        "changed (texts of messages, annotations, settings of warnings)."
    )
    columns = ("module", "mutants", "killed", "share", "date (UTC)", "commit", "survivors")
    return Page(path, "Mutation testing of bounds and lattice", text, columns)


def row(name: str, total: int, alive: Sequence[Mutant]) -> dict[str, object]:
    """What came of one module, with the reason for each survivor where there is one."""
    killed = total - len(alive)
    survivors = "; ".join(f"{mutant}: {REASONS.get(mutant.change, 'no test')}" for mutant in alive)
    return {
        "module": f"hepae/{name}.py", "mutants": total, "killed": killed, "share": f"{killed / total:.1%}",
        "date (UTC)": now(), "commit": commit(), "survivors": survivors or "none",
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
