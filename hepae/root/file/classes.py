"""Members of ROOT's classes: a table of those that trees are made of, and what a file says of others.

Source: class definitions of ROOT 3 to 6 as their streamer infos state them (``TStreamerInfo::Print``).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["Classes", "Run", "Step"]

KNOWN = """
TNamed 1: +TObject fName$ fTitle$
TAttLine 1 2: fLineColor:h fLineStyle:h fLineWidth:h
TAttFill 1 2: fFillColor:h fFillStyle:h
TAttMarker 1 2 3: fMarkerColor:h fMarkerStyle:h fMarkerSize:f
ROOT::TIOFeatures 0 1: fIOBits:B
TTree 20: +TNamed +TAttLine +TAttFill +TAttMarker fEntries:q fTotBytes:q fZipBytes:q fSavedBytes:q fFlushedBytes:q
 fWeight:d fTimerInterval:i fScanField:i fUpdate:i fDefaultEntryOffsetLen:i fNClusterRange:i fMaxEntries:q
 fMaxEntryLoop:q fMaxVirtualSize:q fAutoSave:q fAutoFlush:q fEstimate:q fClusterRangeEnd:q[fNClusterRange]
 fClusterSize:q[fNClusterRange] fIOFeatures=ROOT::TIOFeatures fBranches=TObjArray fLeaves=TObjArray fAliases*
 fIndexValues=TArrayD fIndex=TArrayI fTreeIndex* fFriends* fUserInfo* fBranchRef*
TTree 19: +TNamed +TAttLine +TAttFill +TAttMarker fEntries:q fTotBytes:q fZipBytes:q fSavedBytes:q fFlushedBytes:q
 fWeight:d fTimerInterval:i fScanField:i fUpdate:i fDefaultEntryOffsetLen:i fNClusterRange:i fMaxEntries:q
 fMaxEntryLoop:q fMaxVirtualSize:q fAutoSave:q fAutoFlush:q fEstimate:q fClusterRangeEnd:q[fNClusterRange]
 fClusterSize:q[fNClusterRange] fBranches=TObjArray fLeaves=TObjArray fAliases*
 fIndexValues=TArrayD fIndex=TArrayI fTreeIndex* fFriends* fUserInfo* fBranchRef*
TTree 18: +TNamed +TAttLine +TAttFill +TAttMarker fEntries:q fTotBytes:q fZipBytes:q fSavedBytes:q fFlushedBytes:q
 fWeight:d fTimerInterval:i fScanField:i fUpdate:i fDefaultEntryOffsetLen:i fMaxEntries:q fMaxEntryLoop:q
 fMaxVirtualSize:q fAutoSave:q fAutoFlush:q fEstimate:q fBranches=TObjArray fLeaves=TObjArray fAliases*
 fIndexValues=TArrayD fIndex=TArrayI fTreeIndex* fFriends* fUserInfo* fBranchRef*
TTree 17: +TNamed +TAttLine +TAttFill +TAttMarker fEntries:q fTotBytes:q fZipBytes:q fSavedBytes:q
 fWeight:d fTimerInterval:i fScanField:i fUpdate:i fDefaultEntryOffsetLen:i fMaxEntries:q fMaxEntryLoop:q
 fMaxVirtualSize:q fAutoSave:q fEstimate:q fBranches=TObjArray fLeaves=TObjArray fAliases*
 fIndexValues=TArrayD fIndex=TArrayI fTreeIndex* fFriends* fUserInfo* fBranchRef*
TTree 16: +TNamed +TAttLine +TAttFill +TAttMarker fEntries:q fTotBytes:q fZipBytes:q fSavedBytes:q
 fWeight:d fTimerInterval:i fScanField:i fUpdate:i fMaxEntries:q fMaxEntryLoop:q
 fMaxVirtualSize:q fAutoSave:q fEstimate:q fBranches=TObjArray fLeaves=TObjArray fAliases*
 fIndexValues=TArrayD fIndex=TArrayI fTreeIndex* fFriends* fUserInfo* fBranchRef*
TTree 5: +TNamed +TAttLine +TAttFill +TAttMarker fEntries:d fTotBytes:d fZipBytes:d fSavedBytes:d fTimerInterval:i
 fScanField:i fUpdate:i fMaxEntryLoop:i fMaxVirtualSize:i fAutoSave:i fEstimate:i fBranches=TObjArray
 fLeaves=TObjArray fIndexValues=TArrayD fIndex=TArrayI
TTree 4: +TNamed +TAttLine +TAttFill +TAttMarker fScanField:i fMaxEntryLoop:i fMaxVirtualSize:i fEntries:d
 fTotBytes:d fZipBytes:d fAutoSave:i fEstimate:i fBranches=TObjArray fLeaves=TObjArray fIndexValues=TArrayD
 fIndex=TArrayI fInfo=TList
TTree 3: +TNamed +TAttLine +TAttFill +TAttMarker fScanField:i fMaxEntryLoop:i fMaxVirtualSize:i fEntries:d
 fTotBytes:d fZipBytes:d fAutoSave:i fEstimate:i fBranches=TObjArray fLeaves=TObjArray fIndexValues=TArrayD
 fIndex=TArrayI
TTree 2: +TNamed +TAttLine +TAttFill +TAttMarker fScanField:i fMaxEntryLoop:i fMaxVirtualSize:i fEntries:d
 fTotBytes:d fZipBytes:d fAutoSave:i fEstimate:i fBranches=TObjArray fLeaves=TObjArray fIndexValues=TArrayD
TTree 1: +TNamed +TAttLine +TAttFill +TAttMarker fScanField:i fMaxEntryLoop:i fMaxVirtualSize:i fEntries:d
 fTotBytes:d fZipBytes:d fAutoSave:i fEstimate:i fBranches=TObjArray fLeaves=TObjArray
TNtuple 1 2: +TTree fNvar:i
TNtupleD 1: +TTree fNvar:i
TBranch 13: +TNamed +TAttFill fCompress:i fBasketSize:i fEntryOffsetLen:i fWriteBasket:i fEntryNumber:q
 fIOFeatures=ROOT::TIOFeatures fOffset:i fMaxBaskets:I fSplitLevel:i fEntries:q fFirstEntry:q fTotBytes:q fZipBytes:q
 fBranches=TObjArray fLeaves=TObjArray fBaskets=TObjArray fBasketBytes:i[fMaxBaskets] fBasketEntry:q[fMaxBaskets]
 fBasketSeek:q[fMaxBaskets] fFileName$
TBranch 11 12: +TNamed +TAttFill fCompress:i fBasketSize:i fEntryOffsetLen:i fWriteBasket:i fEntryNumber:q
 fOffset:i fMaxBaskets:I fSplitLevel:i fEntries:q fFirstEntry:q fTotBytes:q fZipBytes:q
 fBranches=TObjArray fLeaves=TObjArray fBaskets=TObjArray fBasketBytes:i[fMaxBaskets] fBasketEntry:q[fMaxBaskets]
 fBasketSeek:q[fMaxBaskets] fFileName$
TBranch 10: +TNamed +TAttFill fCompress:i fBasketSize:i fEntryOffsetLen:i fWriteBasket:i fEntryNumber:q
 fOffset:i fMaxBaskets:I fSplitLevel:i fEntries:q fTotBytes:q fZipBytes:q
 fBranches=TObjArray fLeaves=TObjArray fBaskets=TObjArray fBasketBytes:i[fMaxBaskets] fBasketEntry:q[fMaxBaskets]
 fBasketSeek:q[fMaxBaskets] fFileName$
TBranch 8 9: +TNamed +TAttFill fCompress:i fBasketSize:i fEntryOffsetLen:i fWriteBasket:i fEntryNumber:i
 fOffset:i fMaxBaskets:i fSplitLevel:i fEntries:d fTotBytes:d fZipBytes:d
 fBranches=TObjArray fLeaves=TObjArray fBaskets=TObjArray fBasketBytes:i[fMaxBaskets] fBasketEntry:i[fMaxBaskets]
 fBasketSeek:i[fMaxBaskets] fFileName$
TBranch 7: +TNamed fCompress:i fBasketSize:i fEntryOffsetLen:i fWriteBasket:i fEntryNumber:i
 fOffset:i fMaxBaskets:i fSplitLevel:i fEntries:d fTotBytes:d fZipBytes:d
 fBranches=TObjArray fLeaves=TObjArray fBaskets=TObjArray fBasketBytes:i[fMaxBaskets] fBasketEntry:i[fMaxBaskets]
 fBasketSeek:i[fMaxBaskets] fFileName$
TBranch 6: +TNamed fCompress:i fBasketSize:i fEntryOffsetLen:i fWriteBasket:i fEntryNumber:i
 fOffset:i fMaxBaskets:i fEntries:d fTotBytes:d fZipBytes:d
 fBranches=TObjArray fLeaves=TObjArray fBaskets=TObjArray fBasketBytes:i[fMaxBaskets] fBasketEntry:i[fMaxBaskets]
 fBasketSeek:i[fMaxBaskets] fFileName$
TBranch 5: +TNamed fCompress:i fBasketSize:i fEntryOffsetLen:i fMaxBaskets:i fWriteBasket:i fEntryNumber:i
 fEntries:d fTotBytes:d fZipBytes:d fOffset:i fBranches=TObjArray fLeaves=TObjArray fBaskets=TObjArray
 fBasketEntry:i[] fBasketBytes:i[] fBasketSeek:i[] fFileName$
TBranch 3 4: +TNamed fCompress:i fBasketSize:i fEntryOffsetLen:i fMaxBaskets:i fWriteBasket:i fEntryNumber:i
 fEntries:d fTotBytes:d fZipBytes:d fOffset:i fBranches=TObjArray fLeaves=TObjArray fBaskets=TObjArray
 fBasketEntry:i[] fBasketSeek:i[] fFileName$
TBranchElement 10: +TBranch fClassName$ fParentName$ fClonesName$ fCheckSum:I fClassVersion:h fID:i fType:i
 fStreamerType:i fMaximum:i fBranchCount* fBranchCount2*
TBranchElement 8 9: +TBranch fClassName$ fParentName$ fClonesName$ fCheckSum:I fClassVersion:i fID:i fType:i
 fStreamerType:i fMaximum:i fBranchCount* fBranchCount2*
TBranchElement 1: +TBranch fClassName$ fClassVersion:i fID:i fType:i fStreamerType:i
TBranchObject 1: +TBranch fClassName$
TBranchRef 1: +TBranch fRefTable*
TRefTable 3: +TObject fSize:i fParents* fOwner* fProcessGUIDs#
TLeaf 2: +TNamed fLen:i fLenType:i fOffset:i fIsRange:? fIsUnsigned:? fLeafCount*
TLeafO 1: +TLeaf fMinimum:? fMaximum:?
TLeafB 1: +TLeaf fMinimum:b fMaximum:b
TLeafS 1: +TLeaf fMinimum:h fMaximum:h
TLeafI 1: +TLeaf fMinimum:i fMaximum:i
TLeafL 1: +TLeaf fMinimum:q fMaximum:q
TLeafG 1: +TLeaf fMinimum:q fMaximum:q
TLeafF 1: +TLeaf fMinimum:f fMaximum:f
TLeafD 1: +TLeaf fMinimum:d fMaximum:d
TLeafC 1: +TLeaf fMinimum:i fMaximum:i
TLeafF16 1: +TLeaf fMinimum:3s fMaximum:3s
TLeafD32 1: +TLeaf fMinimum:f fMaximum:f
TLeafObject 4: +TLeaf fVirtual:?
TLeafElement 1: +TLeaf fID:i fType:i
TObjString 1: +TObject fString$
TStreamerInfo 9 10: +TNamed fCheckSum:I fClassVersion:i fElements*
TFriendElement 2: +TNamed fTreeName$ fOwnFile:?
TParameter<bool> 2: +TObject fName$ fVal:?
TParameter<int> 2: +TObject fName$ fVal:i
TParameter<float> 2: +TObject fName$ fVal:f
TParameter<double> 2: +TObject fName$ fVal:d
"""
"""Classes by name and versions: ``+`` a base, ``:`` a number (letters of `struct`), ``:[…]`` an array that another
member counts (``[]``: that has its number before it), ``$`` a string, ``=`` an object by value, ``*`` a pointer, ``#``
what has its length before it and no pointers in it."""

TOKEN = re.compile(
    r"(?P<base>\+)?(?P<name>[\w<>]+)(?:(?P<mark>[$*#])|=(?P<type>[\w:]+)|:(?P<letter>[\w?]{1,2})(?P<count>\[\w*\])?)?"
)

LETTERS = dict(zip(range(1, 20), "bhiqfi.df.BHIQIqQ?.", strict=False))
"""Letters of `struct` by ROOT's numbers of basic types (``TVirtualStreamerInfo::EReadWrite``)."""

DOUBLE32, FLOAT16 = 9, 19
FLOAT16_BYTES = 3
"""A ``Float16_t`` without range: an exponent of one byte, sign and mantissa of two."""
ARRAY, COUNTED = 20, 40
BASE, BY_VALUE = 0, (61, 62, 63, 68)
POINTERS = (64, 69, 70)
STRING, TOBJECT, TNAMED, STD_STRING = 65, 66, 67, 365
REGIONS = (71, 300, 365, 500, 501)


@dataclass(frozen=True)
class Step:
    """One member of a class as it stands in a file.

    Parameters
    ----------
    kind
        ``"base"``, ``"object"``, ``"pointer"``, ``"string"``, ``"counted"``, ``"region"`` or ``"fixed"``.
    name
        Of the member.
    type
        The class of a base or an object; the letter of `struct` of a number.
    count
        Member that counts an array, empty where its number stands before it.
    length
        How often it is there.
    """

    kind: str
    name: str
    type: str = ""
    count: str = ""
    length: int = 1


class Run:
    """Members of fixed size that follow each other: where each begins, and how it is packed."""

    kind = "run"

    def __init__(self, steps: Iterable[Step]) -> None:
        self.places: dict[str, tuple[struct.Struct, int]] = {}
        self.size = 0
        for step in steps:
            packed = struct.Struct(f">{step.length if step.length != 1 else ''}{step.type}")
            self.places[step.name] = packed, self.size
            self.size += packed.size


class Classes:
    """The members of classes, by name and version.

    Parameters
    ----------
    streamers
        Streamer infos of a file by class and version, as uproot gives them (``file.streamers``).
    """

    def __init__(self, streamers: Mapping[str, Mapping[int, Any]] | None = None) -> None:
        self.streamers = streamers or {}
        self._made: dict[tuple[str, int, int], tuple[Step | Run, ...] | None] = {}

    def members(self, name: str, version: int, checksum: int = 0) -> tuple[Step | Run, ...] | None:
        """What a class consists of, None where nobody says.

        Parameters
        ----------
        name, version
            Of the class.
        checksum
            What tells its version where that is 0.
        """
        key = name, version, checksum
        if key not in self._made:
            steps = known().get((name, version)) or self._of_file(name, version, checksum)
            self._made[key] = None if steps is None else tuple(joined(steps))
        return self._made[key]

    def _of_file(self, name: str, version: int, checksum: int) -> tuple[Step, ...] | None:
        versions = self.streamers.get(name.replace("Long64_t", "long long"), {})
        info = versions.get(version)
        if version == 0 and checksum:
            info = next((v for v in versions.values() if v.member("fCheckSum") == checksum), None)
        if info is None:
            return None
        steps = [step_of(element) for element in info.elements]
        return None if None in steps else tuple(step for step in steps if step is not None)


def joined(steps: Iterable[Step]) -> Iterator[Step | Run]:
    """Steps with neighbours of fixed size taken together."""
    fixed: list[Step] = []
    for step in steps:
        if step.kind == "fixed":
            fixed.append(step)
            continue
        if fixed:
            yield Run(fixed)
            fixed = []
        yield step
    if fixed:
        yield Run(fixed)


@cache
def known() -> dict[tuple[str, int], tuple[Step, ...]]:
    """The table, parsed."""
    table = {}
    for line in KNOWN.replace("\n ", " ").strip().split("\n"):
        head, _, members = line.partition(": ")
        name, *versions = head.split()
        steps = tuple(step_of_token(token) for token in members.split())
        table.update({(name, int(version)): steps for version in versions})
    return table


def step_of_token(token: str) -> Step:
    """A member as the table says it.

    Examples
    --------
    >>> step_of_token("fBasketSeek:q[fMaxBaskets]")
    Step(kind='counted', name='fBasketSeek', type='q', count='fMaxBaskets', length=1)
    """
    match = TOKEN.fullmatch(token)
    assert match is not None, token
    name = match["name"]
    if match["base"]:
        return Step("base", name, name)
    if match["type"]:
        return Step("object", name, match["type"])
    if match["mark"]:
        return Step({"$": "string", "*": "pointer", "#": "region"}[match["mark"]], name)
    if match["count"]:
        return Step("counted", name, match["letter"], match["count"][1:-1])
    return Step("fixed", name, match["letter"])


def step_of(element: Any) -> Step | None:
    """A member as a streamer info says it; None for what is not understood.

    Source: ``TStreamerInfo::ReadBuffer``.
    """
    kind, name = int(element.member("fType")), str(element.member("fName"))
    type_name = str(element.member("fTypeName")).rstrip("*").strip()
    length = max(int(element.member("fArrayLength")), 1)
    if kind in (STRING, STRING + ARRAY):
        return Step("string", name, length=length)
    if kind in (TOBJECT, TNAMED):
        base = "TObject" if kind == TOBJECT else "TNamed"
        return Step("base", base, base) if type_name == "BASE" else Step("object", name, base)
    if kind == BASE:
        return Step("base", name, name)
    if kind in BY_VALUE or kind - ARRAY in BY_VALUE[:2]:
        return Step("object", name, type_name, length=length)
    if kind in POINTERS or kind - ARRAY in POINTERS:
        return Step("pointer", name, length=length)
    if kind in REGIONS:
        return Step("region", name)
    return number_of(element, kind, name, length)


def number_of(element: Any, kind: int, name: str, length: int) -> Step | None:
    """A member of a basic type, or an array of them."""
    basic = kind % ARRAY
    letter = LETTERS.get(basic, ".")
    if basic in (DOUBLE32, FLOAT16):
        if str(element.member("fTitle")).startswith("["):
            return None  # a range or a number of bits decides how many bytes each takes
        letter = "f" if basic == DOUBLE32 else f"{FLOAT16_BYTES}s"
    if letter == "." or kind >= COUNTED + ARRAY or (basic == FLOAT16 and kind != FLOAT16):
        return None
    if kind >= COUNTED:
        return Step("counted", name, letter, str(element.member("fCountName")))
    return Step("fixed", name, letter, length=length)
