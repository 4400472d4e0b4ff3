"""From the text of a cut to its tree, with the precedence of C++.

``TTree::Draw`` does not follow C++ everywhere (``a % b * c``, ``a + b >> c``, ``a < b == c``). What the two read
differently is refused with the advice to write brackets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hepae import limits
from hepae.errors import CutError, nearest
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
    has_choices_side_by_side,
    read_again,
    starts_with_sign,
)
from hepae.files.cut.tokens import Token, number, tokens

__all__ = ["ENTRY", "Parser"]

ENTRY: Final = "Entry$"
"""The number of the event in its tree: no branch."""

RANKS: Final = (("||",), ("&&",), ("|",), ("&",), (), ("<<", ">>"), ("+", "-"), ("*", "/", "%"))
"""Binary operators from the loosest to the tightest; the empty rank is that of comparisons."""

COMPARISONS: Final = ("==", "!=", "<=", ">=", "<", ">")
LOOSE: Final = (*RANKS[0], *RANKS[1], "?", ":", ")", ",", "]")
"""What may follow ``not x``: C++ binds ``not`` as tightly as ``!``, Python more loosely than comparisons."""

CONSTANTS: Final = {
    word: value
    for value in (True, False)
    for word in (str(value), str(value).lower(), f"k{str(value).upper()}")
}


class Parser:
    """Reads one cut.

    Parameters
    ----------
    text
        The cut.
    functions
        Least and largest number of arguments of every function, by name.

    Attributes
    ----------
    tree
        The tree of the cut.
    names : tuple of str
        The branches that it needs, in the order of their first appearance.

    Raises
    ------
    CutError
        If the text is no cut, or one that C++ and ``TTree::Draw`` read differently.
    """

    def __init__(self, text: str, functions: Mapping[str, tuple[int, int]]) -> None:
        self._text, self._functions = text, functions
        self._tokens, self._at, self._depth = list(tokens(text)), 0, 0
        self._names: dict[str, None] = {}
        self.tree = self._expression()
        if self._next.kind != "end":
            raise self._unexpected()
        if has_choices_side_by_side(self.tree):
            raise self._ambiguous("two ? : side by side", "write (c != 0) * a + (c == 0) * b for one of them")
        again = read_again(self.tree)
        if again is not None:
            hint = f"name {again} before the choice: {again} < (c ? a : {again}), or write (c != 0) * a + (c == 0) * b"
            raise self._ambiguous(f"{again} after a ? : that may have read it", hint)
        self.names = tuple(name for name in self._names if name != ENTRY)

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _is(self, *operators: str) -> bool:
        return self._next.kind == "operator" and self._next.text in operators

    def _accept(self, *operators: str) -> bool:
        found = self._is(*operators)
        self._at += found
        return found

    def _require(self, operator: str) -> None:
        if not self._accept(operator):
            raise self._unexpected(repr(operator))

    def _unexpected(self, expected: str | None = None) -> CutError:
        got = "its end" if self._next.kind == "end" else repr(self._next.text)
        return CutError("a cut that does not parse", where=self._text, expected=expected, got=got)

    def _ambiguous(self, what: str, hint: str) -> CutError:
        return CutError(f"C++ and TTree::Draw read {what} differently", where=self._text, hint=hint)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > limits.MAX_CUT_DEPTH:
            raise CutError(
                "a cut that is nested too deep", where=self._text[:60], expected=limits.MAX_CUT_DEPTH
            )

    def _expression(self) -> Node:
        self._deeper()
        node = self._binary(0)
        if self._accept("?"):
            yes = self._expression()
            if isinstance(yes, Choice):
                raise self._ambiguous("a ? b ? c : d : e", "put brackets around the inner choice")
            self._require(":")
            node = Choice(node, yes, self._expression())
        self._depth -= 1
        return node

    def _binary(self, rank: int) -> Node:
        if rank == len(RANKS):
            return self._prefix()
        if not RANKS[rank]:
            return self._comparison(rank)
        operands, operators = [self._binary(rank + 1)], []
        while self._is(*RANKS[rank]):
            operators.append(self._take().text)
            operands.append(self._binary(rank + 1))
        if not operators:
            return operands[0]
        chain = Chain(tuple(operands), tuple(operators))
        self._require_agreement(chain)
        return chain

    def _require_agreement(self, chain: Chain) -> None:
        """Refuse what the two ways of reading do not share."""
        if "%" in chain.operators[:-1]:
            raise self._ambiguous("a % b * c", "put brackets around the remainder: (a % b) * c")
        if not set(chain.operators) & {"<<", ">>"}:
            return
        sums = [
            one for one in chain.operands if isinstance(one, Chain) and set(one.operators) & {"+", "-", "%"}
        ]
        if len(chain.operators) > 1 or sums or any(starts_with_sign(one) for one in chain.operands):
            raise self._ambiguous("a + b >> c", "put brackets around what is shifted: (a + b) >> c")

    def _comparison(self, rank: int) -> Node:
        left = self._binary(rank + 1)
        if not self._is(*COMPARISONS):
            return left
        node = Comparison(self._take().text, left, self._binary(rank + 1))
        if self._is(*COMPARISONS):
            hint = "compare two at a time: a < b && b < c, or (a < b) == c"
            raise self._ambiguous("a < b < c", hint)
        return node

    def _prefix(self) -> Node:
        if not self._is("-", "+", "!", "not"):
            return self._power()
        self._deeper()
        operator = self._take().text
        node = Prefix("!" if operator == "not" else operator, self._prefix())
        self._depth -= 1
        if operator == "not" and self._next.kind == "operator" and not self._is(*LOOSE):
            hint = "write not (a == b), or !a == b"
            raise CutError("C++ and Python read not a == b differently", where=self._text, hint=hint)
        if operator == "!" and isinstance(node.operand, Chain):
            raise self._ambiguous("!a ** b", "write !(a ** b)")
        return node

    def _power(self) -> Node:
        base = self._primary()
        if not self._accept("**"):
            return base
        # the exponent may have a sign, as in 2 ** -1, and is no power itself
        sign = self._take().text if self._is("-", "+") else None
        exponent = self._primary()
        if self._is("**"):
            hint = "put brackets: (a ** b) ** c, which TTree::Draw means"
            raise CutError("a power of a power", where=self._text, hint=hint)
        return Chain((base, Prefix(sign, exponent) if sign else exponent), ("**",))

    def _primary(self) -> Node:
        token = self._take()
        if token.kind == "number":
            return Literal(number(token.text, self._text))
        if token.kind == "text":
            return Literal(token.text)
        if token.kind == "name":
            return self._named(token.text)
        if token.kind == "quoted":
            return self._branch(token.text)
        if token.text == "(" and token.kind == "operator":
            inner = self._expression()
            self._require(")")
            return Group(inner)
        if token.text == "@" and self._next.text.endswith(".size"):
            return self._size(self._take().text)
        self._at -= 1
        raise self._unexpected("a branch, a number or a function")

    def _named(self, name: str) -> Node:
        if name.endswith(".size") and self._is("("):
            return self._size(name)
        if self._accept("("):
            return self._call(name)
        if name in CONSTANTS:
            return Literal(CONSTANTS[name])
        if name.endswith("$") and name != ENTRY:
            hint = "known are Entry$, and Sum$(), Min$(), Max$(), MinIf$(), MaxIf$(), Length$(), Alt$() of something"
            raise CutError(f"{name} is not known here", where=self._text, hint=hint)
        return self._branch(name)

    def _branch(self, name: str) -> Node:
        self._names[name] = None
        indices = []
        while self._accept("["):
            if self._accept("]"):  # ROOT's Jet_pt[] is Jet_pt
                return Name(name)
            indices.append(self._expression())
            self._require("]")
        return Element(name, tuple(indices)) if indices else Name(name)

    def _size(self, name: str) -> Node:
        self._require("(")
        self._require(")")
        return Call("size", (self._branch(name.removesuffix(".size")),))

    def _call(self, function: str) -> Node:
        if function not in self._functions:
            near = nearest(function, self._functions) or "docs/cuts.md names all"
            raise CutError(f"no function {function!r}", where=self._text, hint=near)
        arguments: list[Node] = []
        while not self._is(")"):
            arguments.append(self._expression())
            if not self._accept(","):
                break
        self._require(")")
        least, most = self._functions[function]
        if not least <= len(arguments) <= most:
            expected = str(least) if least == most else f"{least} to {most}"
            raise CutError(
                f"{function}() with a wrong number of arguments",
                where=self._text,
                expected=expected,
                got=len(arguments),
            )
        return Call(function, tuple(arguments))
