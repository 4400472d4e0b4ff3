"""The tree of a cut: what was written, with every operator, bracket and name in its own node. No arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

__all__ = [
    "Call",
    "Chain",
    "Choice",
    "Comparison",
    "Element",
    "Group",
    "Literal",
    "Name",
    "Node",
    "Prefix",
    "drawn",
    "has_choices_side_by_side",
    "read_again",
    "starts_with_sign",
]


@dataclass(frozen=True)
class Literal:
    """A number, a boolean, or a text in double quotes."""

    value: int | float | bool | str


@dataclass(frozen=True)
class Name:
    """A branch, or ``Entry$``."""

    name: str


@dataclass(frozen=True)
class Element:
    """Elements of an array: ``Jet_pt[0]``, ``Jet_pt[Muon_jetIdx[0]]``, ``cov[1][2]``."""

    name: str
    indices: tuple[Node, ...]


@dataclass(frozen=True)
class Prefix:
    """``-x``, ``+x`` or ``!x``."""

    operator: str
    operand: Node


@dataclass(frozen=True)
class Chain:
    """Operators of one rank, from the left as in C++ unless ``from_right``: ``a + b - c``, ``a && b && c``."""

    operands: tuple[Node, ...]
    operators: tuple[str, ...]
    from_right: bool = False


@dataclass(frozen=True)
class Comparison:
    """``a < b``; a second comparison needs brackets."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Choice:
    """``condition ? yes : no``."""

    condition: Node
    yes: Node
    no: Node


@dataclass(frozen=True)
class Call:
    """A function: ``sqrt(x)``, ``Sum$(Jet_pt > 30)``, ``Jet_pt.size()`` as ``size(Jet_pt)``."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Group:
    """Brackets, which decide what precedence leaves open."""

    inner: Node


Node: TypeAlias = Literal | Name | Element | Prefix | Chain | Comparison | Choice | Call | Group


def starts_with_sign(node: Node) -> bool:
    """Whether a sign comes first, outside any brackets."""
    while isinstance(node, Chain):
        node = node.operands[0]
    return isinstance(node, Prefix)


def parts(node: Node) -> tuple[Node, ...]:
    """What a node is made of."""
    match node:
        case Chain():
            return node.operands
        case Comparison():
            return node.left, node.right
        case Choice():
            return node.condition, node.yes, node.no
        case Prefix():
            return (node.operand,)
        case Group():
            return (node.inner,)
        case Call():
            return node.arguments
        case Element():
            return node.indices
        case _:
            return ()


def has_choice(node: Node) -> bool:
    """Whether there is a ``? :`` anywhere in it."""
    return isinstance(node, Choice) or any(map(has_choice, parts(node)))


def has_choices_side_by_side(node: Node) -> bool:
    """Whether two ``? :`` are operands of one operator, or one is the condition of another.

    ``TTree::Draw`` then takes the value of one for the other (ROOT 6.36, ``TTreeFormula``); in the branches of another
    they are well.
    """
    inner = parts(node)
    if isinstance(node, Choice):
        several = has_choice(node.condition) and any(map(has_choice, inner[1:]))
    else:
        several = sum(map(has_choice, inner)) > 1
    return several or any(map(has_choices_side_by_side, inner))


def read_again(node: Node) -> str | None:
    """A branch that is read in a result of a ``? :``, and again after it, but not before.

    ``TTree::Draw`` loads a branch where its name stands first. Where that is in the result that an event does not take,
    the value of another event is taken for it afterwards (ROOT 6.40, ``TTreeFormula``).

    Examples
    --------
    >>> c, a, b = Name("c"), Name("a"), Name("b")
    >>> read_again(Comparison(">", Choice(c, a, b), b))
    'b'
    >>> read_again(Comparison(">", b, Choice(c, a, b)))
    """
    return _again(node, set(), set())


def _again(node: Node, loaded: set[str], perhaps: set[str]) -> str | None:
    """The same for a part: names that were read before in every event, and in some; both grow."""
    if isinstance(node, Choice):
        found = _again(node.condition, loaded, perhaps)
        results: set[str] = set()
        for result in (node.yes, node.no):
            here = set(loaded)
            found = found or _again(result, here, set(perhaps))
            results |= here - loaded
        perhaps |= results
        return found
    if isinstance(node, Name | Element):
        if node.name in perhaps - loaded:
            return node.name
        loaded.add(node.name)
    for part in parts(node):
        if (again := _again(part, loaded, perhaps)) is not None:
            return again
    return None


def drawn(node: Node) -> Node:
    """The tree in the order in which ``TTree::Draw`` computes.

    ROOT's TFormula splits a sum at its last ``+`` and a product at its first ``*`` (``TFormula_v5.cxx``, ``Analyze``):
    ``a + b - c`` is ``a + (b - c)`` and ``a * b / c`` is ``a * (b / c)`` there, which rounds differently.

    Examples
    --------
    >>> a, b, c = Name("a"), Name("b"), Name("c")
    >>> drawn(Chain((a, b, c), ("*", "/"))) == Chain((a, Chain((b, c), ("/",))), ("*",), from_right=True)
    True
    """
    match node:
        case Chain():
            return _drawn_chain(replace(node, operands=tuple(drawn(one) for one in node.operands)))
        case Comparison():
            return replace(node, left=drawn(node.left), right=drawn(node.right))
        case Choice():
            return Choice(drawn(node.condition), drawn(node.yes), drawn(node.no))
        case Prefix():
            return replace(node, operand=drawn(node.operand))
        case Group():
            return Group(drawn(node.inner))
        case Call():
            return replace(node, arguments=tuple(drawn(one) for one in node.arguments))
        case Element():
            return replace(node, indices=tuple(drawn(one) for one in node.indices))
        case _:
            return node


def _drawn_chain(chain: Chain) -> Chain:
    if chain.operators[-1] == "%" and len(chain.operators) > 1:
        before = _drawn_chain(Chain(chain.operands[:-1], chain.operators[:-1]))
        return Chain((before, chain.operands[-1]), ("%",))
    for symbol, from_right in (("+", False), ("*", True)):
        if symbol in chain.operators and set(chain.operators) != {symbol}:
            return Chain(*_split(chain, symbol), from_right)
    return replace(chain, from_right=set(chain.operators) == {"*"} and len(chain.operators) > 1)


def _split(chain: Chain, symbol: str) -> tuple[tuple[Node, ...], tuple[str, ...]]:
    """The operands between the operators of one symbol, each a chain of its own where it has several."""
    at = [i for i, operator in enumerate(chain.operators) if operator == symbol]
    parts: list[Node] = []
    for first, last in zip([0, *(i + 1 for i in at)], [*at, len(chain.operators)], strict=True):
        operands, operators = chain.operands[first : last + 1], chain.operators[first:last]
        parts.append(Chain(operands, operators) if operators else operands[0])
    return tuple(parts), (symbol,) * len(at)
