"""C++ types of collections, by name: how many vectors are inside each other, and what is in the innermost."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hepae.root.ttree.layouts.fields import Field
from hepae.root.ttree.layouts.ranges import coding_of

__all__ = ["TEXTS", "CollectionType", "collection_type", "number"]

NUMBERS: Final = {
    "bool": ("uint8", "bool"),
    "Bool_t": ("uint8", "bool"),
    **dict.fromkeys(("char", "signed char", "Char_t", "int8_t"), ("int8", "")),
    **dict.fromkeys(("unsigned char", "UChar_t", "Byte_t", "uint8_t"), ("uint8", "")),
    **dict.fromkeys(("short", "Short_t", "int16_t"), ("int16", "")),
    **dict.fromkeys(("unsigned short", "UShort_t", "uint16_t"), ("uint16", "")),
    **dict.fromkeys(("int", "Int_t", "int32_t"), ("int32", "")),
    **dict.fromkeys(("unsigned int", "unsigned", "UInt_t", "uint32_t"), ("uint32", "")),
    **dict.fromkeys(("long", "Long_t", "long long", "Long64_t", "int64_t"), ("int64", "")),
    **dict.fromkeys(
        ("unsigned long", "ULong_t", "unsigned long long", "ULong64_t", "uint64_t", "size_t"), ("uint64", "")
    ),
    **dict.fromkeys(("float", "Float_t"), ("float32", "")),
    **dict.fromkeys(("double", "Double_t"), ("float64", "")),
    "Double32_t": ("float32", "float64"),
}
"""What ROOT stores for each type of number, and what an analysis sees where that is another dtype."""

TEXTS: Final = ("string", "std::string", "TString")
COLLECTION: Final = re.compile(
    r"^(?:std::)?(vector|list|forward_list|deque|set|multiset|unordered_set|unordered_multiset|bitset"
    r"|(?:ROOT::)?(?:VecOps::)?RVec)<(.*)>$"
)
MARKED: Final = ("set", "bitset")
"""Collections that uproot gives with a mark of their own."""


@dataclass(frozen=True)
class CollectionType:
    """Collections inside each other.

    Parameters
    ----------
    marks
        For each collection, outermost first, ``"set"``, ``"bitset"`` or nothing.
    item
        The type of what is in the innermost.
    """

    marks: tuple[str, ...]
    item: str

    @property
    def is_text(self) -> bool:
        """Whether strings are in the innermost."""
        return self.item in TEXTS


def number(name: str) -> Field | None:
    """The field of a type of numbers; None of any other type.

    Examples
    --------
    >>> number("unsigned int").dtype
    'uint32'
    """
    if name == "Float16_t":
        return Field("", "uint32", seen="float32", coding=coding_of("", double=False))
    dtype, seen = NUMBERS.get(name, ("", ""))
    return Field("", dtype, seen=seen) if dtype else None


def collection_type(name: str) -> CollectionType:
    """Take the name of a type apart.

    Examples
    --------
    >>> collection_type("vector<vector<float> >")
    CollectionType(marks=('', ''), item='float')
    >>> collection_type("std::set<string>")
    CollectionType(marks=('set',), item='string')
    >>> collection_type("map<int,float>")
    CollectionType(marks=(), item='map<int,float>')
    """
    name = " ".join(name.replace("const ", "").split())
    match = COLLECTION.match(name)
    if match is None:
        return CollectionType((), name)
    kind, arguments = match.groups()
    inner = collection_type("bool" if kind == "bitset" else first_argument(arguments))
    return CollectionType((kind if kind in MARKED else "", *inner.marks), inner.item)


def first_argument(arguments: str) -> str:
    """The first of the arguments of a template, without what follows (comparison, allocator)."""
    depth = 0
    for place, letter in enumerate(arguments):
        depth += (letter == "<") - (letter == ">")
        if letter == "," and not depth:
            return arguments[:place].strip()
    return arguments.strip()
