"""What a cut says of a run of events, each of its parts computed for all events at once.

What is not known (an element that an event lacks, 1 / 0, more than 64 bits) travels as a mask beside the values, and
``&&`` and ``||`` forget it where the other side decides: ``n > 0 && x / n > 2`` needs no value where n is 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import numpy as np

from hepae.arrays import Array, Booleans
from hepae.errors import CutError
from hepae.files.cut import integers
from hepae.files.cut.elements import element, indices
from hepae.files.cut.functions import ABSOLUTE, CONSTANTS, EXTREMES, FUNCTIONS
from hepae.files.cut.operators import Doubt, compared, negated, operated
from hepae.files.cut.parser import ENTRY
from hepae.files.cut.reductions import REDUCTIONS, any_of, chosen, extreme, without
from hepae.files.cut.syntax import (
    Call,
    Chain,
    Choice,
    Comparison,
    Element,
    Group,
    Literal,
    Name,
    Node,
    Prefix,
)
from hepae.files.cut.values import Aligned, Value, aligned, either, of_column, per_event
from hepae.root.columns import Column, Jagged

__all__ = ["SIGNATURES", "Evaluation"]

SIGNATURES: Final[dict[str, tuple[int, int]]] = {
    **{name: (one.arguments, one.arguments) for name, one in FUNCTIONS.items()},
    **dict.fromkeys(CONSTANTS, (0, 0)),
    **dict.fromkeys(REDUCTIONS, (1, 1)),
    **dict.fromkeys(EXTREMES, (2, 2)),
    **dict.fromkeys(("max", "min"), (1, 2)),
    **dict.fromkeys(("Alt$", "MinIf$", "MaxIf$"), (2, 2)),
    **dict.fromkeys((*ABSOLUTE, "int"), (1, 1)),
}
"""Least and largest number of arguments of every function of the language."""


class Evaluation:
    """One run of events, and one way of computing.

    Parameters
    ----------
    columns
        Branches by name.
    events
        Number of events.
    first
        Number of the first event in its tree.
    drawn
        Whether the tree is in the order of ``TTree::Draw``, which divides integers as real numbers.

    Attributes
    ----------
    lacking : dict of bool[n_events]
        Events without an element that the cut names, by how it is written: ``TTree::Draw`` drops them whatever the rest
        of the cut says.
    doubts : list of Doubt
        What is not defined, by event.
    """

    def __init__(
        self, columns: Mapping[str, Column], events: int, first: int = 0, *, drawn: bool = False
    ) -> None:
        self._columns, self._events, self._first, self._drawn = columns, events, first, drawn
        self.lacking: dict[str, Booleans] = {}
        self.doubts: list[Doubt] = []

    def passing(self, tree: Node) -> Value:
        """Whether each event passes: any of its objects, where there is a value for each.

        Raises
        ------
        CutError
            If types or shapes do not fit, or C++ and ``TTree::Draw`` compute something different of them.
        """
        truth = self._truth(tree)
        return truth if truth.counts is None else any_of(truth)

    def lacks(self) -> Booleans:
        """Events without an element that the cut names."""
        found = either(*self.lacking.values())
        return np.zeros(self._events, bool) if found is None else found

    def _of(self, node: Node) -> Value:
        match node:
            case Literal():
                return self._literal(node.value)
            case Name():
                return self._branch(node.name)
            case Element():
                return self._element(node)
            case Group():
                return self._of(node.inner)
            case Prefix():
                return self._prefixed(node)
            case Comparison():
                both = aligned([self._of(node.left), self._of(node.right)])
                return both.value(compared(node.operator, *both.arrays))
            case Choice():
                return self._choice(node)
            case Chain():
                return self._logical(node) if node.operators[0] in ("&&", "||") else self._chain(node)
            case Call():
                return self._called(node)

    def _number(self, node: Node) -> Value:
        value = self._of(node)
        if value.values.dtype.kind == "U":
            raise CutError(
                "a text where a number is expected", hint='a text equals a text or not: name == "abc"'
            )
        return value

    def _truth(self, node: Node) -> Value:
        value = self._number(node)
        return Value(value.values.astype(bool), value.counts, value.unknown, value.shape)

    def _literal(self, value: float | str) -> Value:
        dtype = np.uint64 if isinstance(value, int) and value >= 2**63 else None
        return Value(np.broadcast_to(np.array(value, dtype), (self._events,)))

    def _branch(self, name: str) -> Value:
        if name == ENTRY:
            return Value(np.arange(self._first, self._first + self._events))
        return of_column(self._columns[name], name)

    def _element(self, node: Element) -> Value:
        with self._inner():  # an index that is missing is no element that is missing: ROOT takes any
            of_events = [indices(self._of(index)) for index in node.indices]
        values, inside = element(self._columns[node.name], node.name, of_events)
        if inside.all():
            return Value(values)
        if all(isinstance(index, Literal) for index in node.indices):
            label = node.name + "".join(
                f"[{index.value}]" for index in node.indices if isinstance(index, Literal)
            )
            if not isinstance(self._columns[node.name], Jagged):
                raise CutError(f"no event has {label}")
            self.lacking[label] = ~inside
        else:
            hint = "say when it is there: i >= 0 && i < n && x[i] > 30"
            self.doubts.append(Doubt(f"an element of {node.name!r} that is not there", hint, ~inside))
        return Value(values, None, ~inside)

    @contextmanager
    def _inner(self) -> Iterator[dict[str, Booleans]]:
        """Elements that are missing inside are no matter of the outside."""
        outer, self.lacking = self.lacking, {}
        try:
            yield self.lacking
        finally:
            self.lacking = outer

    def _noted(self, parts: Aligned, values: Array, doubt: Doubt | None) -> Value:
        """A result, and in which events it is in doubt."""
        if doubt is None:
            return parts.value(values)
        self.doubts.append(Doubt(doubt.what, doubt.hint, per_event(doubt.where, parts.counts)))
        return parts.value(values, doubt.where)

    # operators

    def _prefixed(self, node: Prefix) -> Value:
        if node.operator == "!":
            truth = self._truth(node.operand)
            return Value(~truth.values, truth.counts, truth.unknown, truth.shape)
        value = self._number(node.operand)
        if node.operator == "-":
            return self._noted(aligned([value]), *negated(value.values))
        counted = value.values.astype(np.int64) if value.values.dtype == bool else value.values
        return Value(counted, value.counts, value.unknown, value.shape)

    def _choice(self, node: Choice) -> Value:
        parts = aligned([self._truth(node.condition), self._number(node.yes), self._number(node.no)])
        condition, unknown = parts.arrays[0], parts.unknown
        chosen_unknown = [np.zeros(len(condition), bool) if mask is None else mask for mask in unknown[1:]]
        return Value(
            np.where(condition, *_alike(*parts.arrays[1:])),
            parts.counts,
            either(unknown[0], np.where(condition, *chosen_unknown)),
            parts.shape,
        )

    def _chain(self, node: Chain) -> Value:
        values = [self._number(operand) for operand in node.operands]
        if node.operators[0] in ("&", "|"):
            _require_clear(node, values)
        if node.operators == ("**",) and node.operands[1] == Literal(2):  # x * x in ROOT, exact for integers
            return self._operated("*", values[0], values[0])
        if node.from_right:
            result = values[-1]
            for operator, value in zip(reversed(node.operators), reversed(values[:-1]), strict=True):
                result = self._operated(operator, value, result)
            return result
        result = values[0]
        for operator, value in zip(node.operators, values[1:], strict=True):
            result = self._operated(operator, result, value)
        return result

    def _operated(self, operator: str, left: Value, right: Value) -> Value:
        both = aligned([left, right])
        return self._noted(both, *operated(operator, *both.arrays, drawn=self._drawn))

    def _logical(self, node: Chain) -> Value:
        """Not known only where no side decides: a false one of ``&&``, a true one of ``||``."""
        decisive = node.operators[0] == "||"
        result = self._truth(node.operands[0])
        for operand in node.operands[1:]:
            both = aligned([result, self._truth(operand)])
            left, right = both.arrays
            unknown = either(*both.unknown)
            if unknown is not None:
                for values, mask in zip(both.arrays, both.unknown, strict=True):
                    open_ = values != decisive
                    unknown &= open_ if mask is None else open_ | mask
            result = Value(left | right if decisive else left & right, both.counts, unknown, both.shape)
        return result

    # functions

    def _called(self, node: Call) -> Value:
        name, arguments = node.function, node.arguments
        if name in CONSTANTS:
            return self._literal(CONSTANTS[name])
        if name == "Alt$":
            return self._alternative(*arguments)
        if name in ("MinIf$", "MaxIf$") or (name in REDUCTIONS and len(arguments) == 1):
            return self._reduced(name, arguments)
        parts = aligned([self._number(argument) for argument in arguments])
        if name in EXTREMES:
            return parts.value(EXTREMES[name](*_alike(*parts.arrays)))
        if name in ABSOLUTE:
            real = parts.arrays[0].dtype == np.float64
            return parts.value((np.abs if real else integers.absolute)(parts.arrays[0]))
        if name == "int":
            return self._integer(parts)
        return self._of_reals(name, parts)

    def _of_reals(self, name: str, parts: Aligned) -> Value:
        function, reals = FUNCTIONS[name], [array.astype(np.float64) for array in parts.arrays]
        doubt = None
        if function.agree is not None and not (agree := function.agree(*reals)).all():
            what = f"{name}() of what C++ and TTree::Draw compute differently"
            doubt = Doubt(what, function.hint, ~agree)
        return self._noted(parts, function.compute(*reals), doubt)

    def _integer(self, parts: Aligned) -> Value:
        value = parts.arrays[0]
        inside = (value > -(2.0**31) - 1) & (value < 2.0**31)
        whole = np.trunc(np.where(inside, value, 0)).astype(np.int64)
        doubt = Doubt("int() of what is no 32-bit integer", "write floor(x) or trunc(x)", ~inside)
        return self._noted(parts, whole, None if inside.all() else doubt)

    def _reduced(self, name: str, arguments: Sequence[Node]) -> Value:
        """ROOT evaluates what is reduced by itself: an event that lacks an element in there has no objects in there."""
        with self._inner():
            both = aligned([self._number(argument) for argument in arguments])
            lacks = self.lacks()
        if both.counts is None:
            raise CutError(f"{name}() of what is one number per event already", hint="leave the function out")
        values = [
            Value(array, both.counts, mask) for array, mask in zip(both.arrays, both.unknown, strict=True)
        ]
        if lacks.any():
            values = [without(value, lacks) for value in values]
        if name in ("MinIf$", "MaxIf$"):
            return extreme(chosen(*values), name == "MaxIf$", of_none=True)
        return REDUCTIONS[name](values[0])

    def _alternative(self, primary: Node, alternate: Node) -> Value:
        if not isinstance(primary, Element):
            raise CutError("Alt$() of what is no element", hint="write Alt$(x[0], 0)")
        with self._inner():
            found, other = self._number(primary), self._number(alternate)
            lacks = self.lacks()
        if other.counts is not None or other.unknown is not None:
            raise CutError("Alt$() with an alternate that an event may lack", hint="write Alt$(x[0], 0)")
        unknown = None if found.unknown is None else found.unknown & ~lacks
        return Value(np.where(lacks, *reversed(_alike(found.values, other.values))), None, unknown)


def _alike(left: Array, right: Array) -> tuple[Array, Array]:
    """Both as one type without loss."""
    pair = integers.joined(left, right)
    if pair is None:
        raise CutError("integers below 0 beside integers from 2**63", hint="write 1.0 * x for real numbers")
    return pair


def _require_clear(node: Chain, values: Sequence[Value]) -> None:
    """Refuse ``flags & 4 == 4``, which is ``flags & (4 == 4)`` in C++ and which nobody means."""
    of_numbers = any(value.values.dtype != bool for value in values)
    if of_numbers and any(isinstance(operand, Comparison) for operand in node.operands):
        hint = "write (flags & 4) == 4, or && for and"
        raise CutError("bits of a comparison: == binds tighter than & and |", hint=hint)
