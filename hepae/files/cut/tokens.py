"""The words of a cut: names, numbers, texts, operators."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from hepae.errors import CutError

__all__ = ["Token", "number", "tokens"]

WORDS: Final = re.compile(
    r"""\s*(?:
    (?P<number>(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\w*)
    | (?P<name>[A-Za-z_]\w*(?:(?:\.|::|\\/)[A-Za-z_]\w*)*\$?)
    | `(?P<quoted>[^`]+)`
    | "(?P<text>[^"\\]*)"
    | (?P<operator>&&|\|\||[=!<>]=|<<|>>|\*\*|[-+*/%<>&|!?:()\[\],@])
    )""",
    re.VERBOSE | re.ASCII,
)
"""``\\/`` in a name is a slash of the name, as in TTree::Draw; what has other characters stands in backquotes."""

NO_WORDS: Final = {
    "=": "two numbers are compared with ==",
    "^": "it means a power in TTree::Draw and exclusive or in C++: write pow(a, b), or a != b of two booleans",
    "~": "write !(...) for not",
    "'": "a text stands in double quotes",
    "$": "only Entry$, Sum$(), Min$(), Max$(), MinIf$(), MaxIf$(), Length$() and Alt$() are known",
}
SPELLED: Final = {"and": "&&", "or": "||", "not": "not"}
"""Words that C++ and Python share."""


@dataclass(frozen=True)
class Token:
    """A word of a cut: its kind (``number``, ``name``, ``quoted``, ``text``, ``operator``, ``end``) and itself."""

    kind: str
    text: str


def tokens(text: str) -> Iterator[Token]:
    """The words of a cut, and an ``end``.

    Raises
    ------
    CutError
        At a character that starts no word.

    Examples
    --------
    >>> [token.text for token in tokens("nJet>=2 and MET<50.")]
    ['nJet', '>=', '2', '&&', 'MET', '<', '50.', '']
    """
    at, end = 0, len(text.rstrip())
    while at < end:
        found = WORDS.match(text, at)
        if found is None:
            rest = text[at:].lstrip()
            raise CutError(
                "a cut that does not parse", where=text, got=repr(rest[:20]), hint=NO_WORDS.get(rest[0])
            )
        kind = str(found.lastgroup)
        word = found[kind].replace("\\/", "/") if kind == "name" else found[kind]
        if kind == "name" and word in SPELLED:
            kind, word = "operator", SPELLED[word]
        yield Token(kind, word)
        at = found.end()
    yield Token("end", "")


def number(word: str, where: str) -> int | float:
    """The value of a literal.

    Raises
    ------
    CutError
        For what C++ and ``TTree::Draw`` read differently (octal numbers, suffixes), or what is beyond 64 bits.

    Examples
    --------
    >>> number("0x1F", ""), number("9007199254740993", ""), number("1e3", "")
    (31, 9007199254740993, 1000.0)
    """
    hexadecimal = re.fullmatch(r"0[xX][0-9a-fA-F]+", word)
    if hexadecimal is None and re.fullmatch(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", word) is None:
        raise CutError("no number", where=where, got=repr(word), hint="write numbers without a suffix")
    if hexadecimal is None and not word.isdigit():
        return float(word)
    if hexadecimal is None and len(word) > 1 and word[0] == "0":
        hint = "it is octal in C++ and decimal in TTree::Draw: write it without the leading 0"
        raise CutError("a number with a leading 0", where=where, got=repr(word), hint=hint)
    value = int(word, 16 if hexadecimal else 10)
    if value >= 2**64:
        raise CutError("an integer beyond 64 bits", where=where, got=word, hint="write it as 1e20")
    return value
