"""What ROOT says of a file: keys, branches, leaves, settings, contents of trees and histograms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.root_process import in_root

CODE = """
import hashlib
file = ROOT.TFile(paths[0])
result = {"keys": [], "branches": {}, "entries": {}, "histograms": {}, "values": {}}

def branches_of(holder, path):
    for branch in holder.GetListOfBranches():
        name = path + "/" + branch.GetName()
        leaves = [(leaf.ClassName(), leaf.GetName(), leaf.GetTitle(), leaf.GetLenType(), bool(leaf.IsUnsigned()),
                   leaf.GetLeafCount().GetName() if leaf.GetLeafCount() else "") for leaf in branch.GetListOfLeaves()]
        yield name, [branch.ClassName(), branch.GetTitle(), branch.GetCompressionSettings(), branch.GetClassName(),
                     branch.TestBit(0x00400000), branch.GetSplitLevel(), leaves]
        yield from branches_of(branch, name)

def values_of(tree):
    # every number of every leaf of every entry, and every string
    digests = []
    for entry in range(tree.GetEntries()):
        tree.GetEntry(entry)
        numbers = [leaf.GetValue(at) for leaf in tree.GetListOfLeaves() for at in range(leaf.GetLen())
                   if leaf.ClassName() not in ("TLeafElement", "TLeafObject")]
        for branch in ("numbers", "texts"):
            if tree.GetBranch(branch):
                numbers += [str(one) for one in getattr(tree, branch)]
        if tree.GetBranch("text"):
            numbers.append(str(tree.text))
        if tree.GetBranch("clones"):
            numbers += [one.M() for one in tree.clones]
            numbers += [tree.momentum.Pt(), tree.unsplit.Pt()]
            numbers += [one.GetName() + one.GetTitle() for one in tree.objects]
        digests.append(hashlib.md5(repr(numbers).encode()).hexdigest())
    return digests

def numbers_of(h):
    cells = range(h.GetNcells())
    stats = ROOT.std.vector("double")(13)
    h.GetStats(stats.data())
    return [[h.GetBinContent(i) for i in cells], [h.GetBinError(i) for i in cells], h.GetEntries(), list(stats)]

def walk(home, path):
    for key in home.GetListOfKeys():
        name = path + key.GetName()
        result["keys"].append([name, key.GetCycle(), key.GetClassName(), key.GetTitle()])
        one = key.ReadObj()
        if one.InheritsFrom("TDirectory"):
            walk(one, name + "/")
        elif one.InheritsFrom("TTree"):
            result["branches"][name] = dict(branches_of(one, ""))
            result["entries"][name] = one.GetEntries()
            result["values"][name] = values_of(one)
        elif one.InheritsFrom("TH1"):
            result["histograms"][name] = numbers_of(one)

walk(file, "")
"""


def view(path: Path) -> dict[str, Any]:
    """What ROOT says of a file."""
    found: dict[str, Any] = in_root(CODE, path)
    return found
