"""C++ types of collections, by name: how many vectors are inside each other, and what is in the innermost."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hepae.root.ttree.layouts.fields import Field
from hepae.root.ttree.layouts.ranges import coding_of

__all__ = ["CollectionType", "collection_type"]

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
    """Collections inside each other, of strings (``field`` None) or of numbers.

    Parameters
    ----------
    marks
        For each collection, outermost first, ``"set"``, ``"bitset"`` or nothing.
    field
        The numbers in the innermost.
    """

    marks: tuple[str, ...]
    field: Field | None


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


def collection_type(name: str) -> CollectionType | None:
    """Take the name of a type apart; None of what is no collection of numbers or strings.

    Examples
    --------
    >>> collection_type("vector<vector<float> >").marks
    ('', '')
    >>> collection_type("std::set<string>")
    CollectionType(marks=('set',), field=None)
    >>> collection_type("map<int,float>") is None
    True
    """
    name = " ".join(name.replace("const ", "").split())
    if name in TEXTS:
        return CollectionType((), None)
    match = COLLECTION.match(name)
    if match is None:
        field = number(name)
        return None if field is None else CollectionType((), field)
    kind, arguments = match.groups()
    inner = collection_type("bool" if kind == "bitset" else first_argument(arguments))
    mark = kind if kind in MARKED else ""
    return None if inner is None else CollectionType((mark, *inner.marks), inner.field)


def first_argument(arguments: str) -> str:
    """The first of the arguments of a template, without what follows (comparison, allocator)."""
    depth = 0
    for place, letter in enumerate(arguments):
        depth += (letter == "<") - (letter == ">")
        if letter == "," and not depth:
            return arguments[:place].strip()
    return arguments.strip()
