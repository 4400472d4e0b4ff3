"""Cuts on events, written as they are said: ``nJet >= 2 and any(Jet_pt > 50)``.

The language is a small part of Python's expressions, checked node by node and evaluated here; nothing is handed to
``eval``. Names are branches: one number per event, or one per object, and then a reduction makes one per event of them.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.errors import CutError, nearest

__all__ = ["Cut"]

OPERATORS: Final[dict[type[ast.AST], Callable[..., Any]]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Mod: operator.mod, ast.Pow: operator.pow, ast.BitAnd: operator.and_, ast.BitOr: operator.or_,
    ast.And: np.logical_and, ast.Or: np.logical_or, ast.Not: np.logical_not, ast.Invert: operator.invert,
    ast.USub: operator.neg, ast.UAdd: operator.pos,
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}  # fmt: skip
FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    name: getattr(np, name)
    for name in ("abs", "sqrt", "log", "exp", "sin", "cos", "sinh", "cosh", "isfinite")
}
REDUCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "any": ak.any, "all": ak.all, "sum": ak.sum, "min": ak.min, "max": ak.max, "count": ak.sum,
}  # fmt: skip
ALLOWED: Final = "names of branches, numbers, + - * / % **, comparisons, and or not, & | ~, " + ", ".join(
    f"{name}()" for name in (*REDUCTIONS, *FUNCTIONS)
)


class Cut:
    """A condition on events.

    Parameters
    ----------
    text
        The expression. ROOT's ``&&``, ``||`` and ``!`` are understood too. ``any``, ``all``, ``sum``, ``min``, ``max``
        and ``count`` (how many are true) make one number per event out of one per object; an event without objects
        fails every comparison with a ``min`` or ``max``.

    Attributes
    ----------
    names : tuple of str
        The branches it needs.

    Raises
    ------
    CutError
        If it is no expression of this language.

    Examples
    --------
    >>> cut = Cut("nJet >= 2 && any(Jet_pt > 50)")
    >>> cut.names
    ('nJet', 'Jet_pt')
    >>> cut.keeps({"nJet": np.array([2, 1]), "Jet_pt": ak.Array([[60.0, 20.0], [90.0]])}, 2).tolist()
    [True, False]
    """

    def __init__(self, text: str) -> None:
        self.text = text
        limits.check("characters of a cut", len(text), limits.MAX_CUT_CHARACTERS, "cut", least=1)
        python = re.sub(r"!(?!=)", " not ", text.replace("&&", " and ").replace("||", " or ")).strip()
        try:
            self._tree = ast.parse(python, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
            raise CutError("a cut that does not parse", where=text, got=problem) from None
        found: dict[str, None] = {}
        self._check(self._tree, found)
        self.names = tuple(found)

    def keeps(self, columns: Mapping[str, Any], events: int) -> NDArray[np.bool_]:
        """Which events pass.

        Parameters
        ----------
        columns
            A NumPy array [n_events] or a jagged awkward array for each of `names`.
        events
            Their number.

        Raises
        ------
        CutError
            If the result is not one number per event, or shapes do not fit.
        """
        try:
            with np.errstate(all="ignore"):
                passed = self._value(self._tree, columns)
        except (ValueError, TypeError, OverflowError) as problem:
            what = str(problem).strip().splitlines()
            raise CutError(
                "a cut that cannot be evaluated", where=self.text, got=what[0] if what else problem
            ) from None
        if isinstance(passed, ak.Array):
            if passed.ndim != 1:
                raise CutError(
                    "a cut with a value for each object",
                    where=self.text,
                    hint="say any(...), all(...) or count(...) >= 1",
                )
            passed = ak.to_numpy(ak.fill_none(passed, False))
        return np.broadcast_to(np.asarray(passed).astype(bool), (events,))

    def _check(self, node: ast.AST, found: dict[str, None]) -> None:
        if isinstance(node, ast.Name):
            found[node.id] = None
            return
        if isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
            return
        inner = self._parts(node)
        if inner is None:
            raise CutError(
                "not allowed in a cut",
                where=self.text,
                expected=ALLOWED,
                got=ast.unparse(node) or type(node).__name__,
            )
        for part in inner:
            self._check(part, found)

    def _parts(self, node: ast.AST) -> list[ast.expr] | None:
        """The expressions inside one that is allowed; None for what is not."""
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            return [node.left, node.right]
        if isinstance(node, ast.UnaryOp) and type(node.op) in OPERATORS:
            return [node.operand]
        if isinstance(node, ast.BoolOp):
            return list(node.values)
        if isinstance(node, ast.Compare) and all(type(op) in OPERATORS for op in node.ops):
            return [node.left, *node.comparators]
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and not node.keywords
            and len(node.args) == 1
        ):
            if node.func.id in FUNCTIONS or node.func.id in REDUCTIONS:
                return list(node.args)
            raise CutError(
                f"no function {node.func.id!r}",
                where=self.text,
                hint=nearest(node.func.id, [*FUNCTIONS, *REDUCTIONS]) or None,
            )
        return None

    def _value(self, node: ast.AST, columns: Mapping[str, Any]) -> Any:
        if isinstance(node, ast.Name):
            return columns[node.id]
        if isinstance(node, ast.Constant):
            assert isinstance(node.value, int | float)
            # numbers of fixed width: no power of constants can grow without end
            fixed = {bool: np.bool_, int: np.int64, float: np.float64}[type(node.value)]
            return fixed(node.value)
        if isinstance(node, ast.BinOp):
            return OPERATORS[type(node.op)](self._value(node.left, columns), self._value(node.right, columns))
        if isinstance(node, ast.UnaryOp):
            return OPERATORS[type(node.op)](self._value(node.operand, columns))
        if isinstance(node, ast.Compare):
            return self._compared(node, columns)
        if isinstance(node, ast.BoolOp):
            passed = self._value(node.values[0], columns)
            for part in node.values[1:]:
                passed = OPERATORS[type(node.op)](passed, self._value(part, columns))
            return passed
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Name)
        value = self._value(node.args[0], columns)
        if node.func.id in FUNCTIONS:
            return FUNCTIONS[node.func.id](value)
        if not isinstance(value, ak.Array) or value.ndim != 2:
            raise CutError(f"{node.func.id}() of what is one number per event already", where=self.text)
        return REDUCTIONS[node.func.id](value, axis=1)

    def _compared(self, node: ast.Compare, columns: Mapping[str, Any]) -> Any:
        left, passed = self._value(node.left, columns), None
        for op, right in zip(
            node.ops, (self._value(part, columns) for part in node.comparators), strict=True
        ):
            one = OPERATORS[type(op)](left, right)
            if isinstance(one, ak.Array):
                one = ak.fill_none(one, False, axis=None)
            passed, left = one if passed is None else np.logical_and(passed, one), right
        return passed
