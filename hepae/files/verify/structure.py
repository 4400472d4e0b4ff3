"""What a TTree and its branches are besides their values, and in what two of them differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from hepae.files.verify.meaning import bits_of, first_difference, meaning
from hepae.files.verify.values import NotInterpretedError

__all__ = ["COMPRESSION", "Facts", "branch_facts", "differences", "tree_facts"]

Facts: TypeAlias = Mapping[str, Any]
"""What is compared, by the words that a difference is told in."""

COMPRESSION = frozenset({"compression setting", "compression of the baskets"})
"""What says how a branch is compressed."""

SETTINGS = {
    "fAutoFlush": "automatic flush",
    "fAutoSave": "automatic save",
    "fDefaultEntryOffsetLen": "default length of entry offsets",
    "fEstimate": "entries to estimate limits with",
    "fMaxEntries": "most entries",
    "fMaxEntryLoop": "most entries of a loop",
    "fMaxVirtualSize": "most bytes in memory",
    "fScanField": "rows of a scan",
    "fTimerInterval": "timer interval",
    "fUpdate": "update frequency",
    "fWeight": "weight",
}
"""Members of a TTree that a user sets (TTree.h). Not those that say how its baskets lie, which may change."""

BRANCH_BITS = 1 << 10 | 1 << 12 | 1 << 14 | 1 << 17 | 1 << 22
"""Bits of a branch that say how it is read (TBranch.h, TBranchElement.h): `kDoNotProcess`, `kBranchObject`,
`kBranchFolder`, `kBranchAny`, `kDoNotUseBufferMap`. The others say who owned its memory."""

ATTACHED = {
    "fAliases": "aliases",
    "fFriends": "friends",
    "fIndex": "index",
    "fIndexValues": "values of the index",
    "fTreeIndex": "tree index",
    "fUserInfo": "user information",
}
"""What hangs on a TTree."""

ELEMENT = {
    "fClassName": "class name",
    "fParentName": "parent class",
    "fClonesName": "class of clones",
    "fCheckSum": "checksum of the class",
    "fClassVersion": "version of the class",
    "fID": "number of the streamer element",
    "fType": "type of the branch",
    "fStreamerType": "type of the streamer element",
}
"""Members of a TBranchElement that say what its bytes are (TBranchElement.h)."""


def tree_facts(tree: Any) -> Facts:
    """What is compared of a TTree, as uproot reads it; members that its version has not are left out."""
    facts = {"title": str(tree.title), "bits": bits_of(tree), "I/O features": _features(tree)}
    facts |= {words: tree.member(name) for name, words in SETTINGS.items() if tree.has_member(name)}
    for name, words in ATTACHED.items():
        if tree.has_member(name):
            facts[words] = _attached(tree.member(name), words)
    return facts


def branch_facts(branch: Any) -> Facts:
    """What is compared of a branch, as uproot reads it."""
    facts = {
        "class": str(branch.classname),
        "title": str(branch.title),
        "entries": int(branch.num_entries),
        "compression setting": int(branch.member("fCompress")),
        "split level": branch.member("fSplitLevel", none_if_missing=True),
        "bits": bits_of(branch) & BRANCH_BITS,
        "I/O features": _features(branch),
        "leaves": [_leaf_facts(leaf) for leaf in branch.member("fLeaves")],
    }
    return facts | {
        words: meaning(branch.member(name)) for name, words in ELEMENT.items() if branch.has_member(name)
    }


def differences(where: str, before: Facts, after: Facts) -> Iterator[str]:
    """Sentences about what both say and say differently.

    Examples
    --------
    >>> list(differences("branch x", {"title": "a", "leaves": []}, {"title": "b"}))
    ["branch x: title 'a' before, 'b' after"]
    """
    for words in before:
        if words == "leaves" and "leaves" in after:
            yield from _leaves_differ(where, before["leaves"], after["leaves"])
        elif words in after and (found := first_difference(before[words], after[words], words)):
            yield f"{where}: {found.replace(':', '', 1)}"


def _leaves_differ(where: str, before: list[Facts], after: list[Facts]) -> Iterator[str]:
    if len(before) != len(after):
        yield f"{where}: {len(before)} leaves before, {len(after)} after"
        return
    for old, new in zip(before, after, strict=True):
        yield from differences(f"{where}, leaf {old['name']}", old, new)


def _leaf_facts(leaf: Any) -> Facts:
    counter = leaf.member("fLeafCount", none_if_missing=True)
    facts = {
        "name": str(leaf.member("fName")),
        "class": str(leaf.classname),
        "title": str(leaf.member("fTitle")),
        "counter": "" if counter is None else str(counter.member("fName")),
        "unsigned": bool(leaf.member("fIsUnsigned")),
        "length": int(leaf.member("fLen")),
        "bytes of a value": int(leaf.member("fLenType")),
    }
    if leaf.member("fIsRange") and leaf.has_member("fMaximum"):
        # a counter: ROOT reads no more than this
        facts["maximum"] = int(leaf.member("fMaximum"))
    return facts


def _features(found: Any) -> int:
    features = found.member("fIOFeatures", none_if_missing=True)
    return 0 if features is None else int(features.member("fIOBits"))


def _attached(found: Any, words: str) -> Any:
    """What it means; lists that are empty and lists that are not there are the same but for user information."""
    try:
        means = meaning(found)
    except NotInterpretedError as problem:
        # uproot has no bytes of it to compare
        return f"cannot be interpreted ({problem})"
    empty = isinstance(means, dict) and not means.get("items", True)
    return None if empty and words != "user information" else means
