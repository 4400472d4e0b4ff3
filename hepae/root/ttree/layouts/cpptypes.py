"""C++ types of collections, by name: how many vectors are inside each other, and what is in the innermost."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from hepae.root.ttree.layouts.fields import Field, Truncated

__all__ = ["FLOAT16", "CollectionType", "collection_type", "number"]

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

FLOAT16: Final = Truncated(12)
"""``Float16_t`` without a range, ``TBufferFile::WriteFloat16`` of ROOT 6."""

TEXTS: Final = ("string", "std::string", "TString")
SEQUENCES: Final = re.compile(
    r"^(?:(?:std::)?(?:vector|list|forward_list|deque|set|multiset|unordered_set|unordered_multiset)"
    r"|(?:ROOT::)?(?:VecOps::)?RVec)<(.*)>$"
)
BITSET: Final = re.compile(r"^(?:std::)?bitset<\d+>$")


@dataclass(frozen=True)
class CollectionType:
    """``depth`` collections inside each other, of strings (``field`` None) or of numbers."""

    depth: int
    field: Field | None


def number(name: str) -> Field | None:
    """The field of a type of numbers; None of any other type.

    Examples
    --------
    >>> number("unsigned int").dtype
    'uint32'
    """
    if name == "Float16_t":
        return Field("", "uint32", seen="float32", coding=FLOAT16)
    dtype, seen = NUMBERS.get(name, ("", ""))
    return Field("", dtype, seen=seen) if dtype else None


def collection_type(name: str) -> CollectionType | None:
    """Take the name of a type apart; None of what is no collection of numbers or strings.

    Examples
    --------
    >>> collection_type("vector<vector<float> >").depth
    2
    >>> collection_type("std::set<string>")
    CollectionType(depth=1, field=None)
    >>> collection_type("map<int,float>") is None
    True
    """
    name = " ".join(name.replace("const ", "").split())
    if name in TEXTS:
        return CollectionType(0, None)
    if BITSET.match(name):
        return CollectionType(1, number("bool"))
    match = SEQUENCES.match(name)
    if match is None:
        field = number(name)
        return None if field is None else CollectionType(0, field)
    inner = collection_type(first_argument(match.group(1)))
    return None if inner is None else CollectionType(inner.depth + 1, inner.field)


def first_argument(arguments: str) -> str:
    """The first of the arguments of a template, without what follows (comparison, allocator)."""
    depth = 0
    for place, letter in enumerate(arguments):
        depth += (letter == "<") - (letter == ">")
        if letter == "," and not depth:
            return arguments[:place].strip()
    return arguments.strip()
