"""Mutants of a module: its syntax tree with one operator, constant, condition or statement changed.

Texts of messages, documentation, annotations and the arguments of `numpy.errstate` are not changed.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

__all__ = ["Mutant", "mutants"]

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
    """A change: where, what it was, what it becomes, whether inside a function, and the module that has it."""

    line: int
    before: str
    after: str
    inside: bool
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
        before, line, inside = ast.unparse(node), getattr(node, "lineno", 0), _is_inside(other, node)
        if isinstance(change, ast.AST):
            _replace(other, node, change)
            after = ast.unparse(change)
        else:
            for name, value in change.items():
                setattr(node, name, value)
            after = ast.unparse(ast.fix_missing_locations(node))
        yield Mutant(line, _short(before), _short(after), inside, ast.fix_missing_locations(other))


def _is_inside(tree: ast.Module, node: ast.AST) -> bool:
    functions = (one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef))
    return any(part is node for function in functions for part in ast.walk(function))


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
