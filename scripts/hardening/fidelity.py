"""What ROOT itself lists of files before and after they went through hepae: nothing may differ.

::

    python -m scripts.hardening.fidelity FOLDER [WORD ...]

Each file with a TTree is compressed and decompressed, skimmed with a cut that keeps every entry (each of its trees in
turn), and merged alone. The ROOT wheel lists keys, cycles, titles, trees, branches, leaves, counters, bits and settings
of the original and of each result, in processes of their own, because a damaged file ends ROOT. A merge joins baskets
and cycles as ``hadd`` does: of it only the newest cycle of each name is compared.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Facts = dict[str, Any]

LIST = r"""
import json, sys, warnings
warnings.simplefilter("ignore")
import ROOT
ROOT.gErrorIgnoreLevel = ROOT.kFatal

def leaf(one):
    counter = one.GetLeafCount()
    return [one.ClassName(), one.GetName(), one.GetTitle(), one.GetLen(), one.GetLenType(), bool(one.IsUnsigned()),
            bool(one.IsRange()), counter.GetName() if counter else None, bits(one)]

def bits(one):
    return [number for number in range(14, 24) if one.TestBit(1 << number)]

def branch(one):
    facts = [one.ClassName(), one.GetTitle(), int(one.GetEntries()), one.GetCompressionSettings(), one.GetSplitLevel(),
             one.GetBasketSize(), int(one.GetEntryOffsetLen() > 0), bits(one),
             [leaf(l) for l in one.GetListOfLeaves()]]
    if hasattr(one, "GetClassName"):
        facts += [str(one.GetClassName()), getattr(one, "GetType", lambda: 0)(), getattr(one, "GetID", lambda: 0)(),
                  int(getattr(one, "GetStreamerType", lambda: 0)()), int(getattr(one, "GetCheckSum", lambda: 0)())]
    return facts

def branches(above, path, found):
    for one in above.GetListOfBranches():
        here = f"{path}/{one.GetName()}"
        while here in found:
            here += "#"
        found[here] = branch(one)
        branches(one, here, found)
    return found

def user(one):
    return one.GetUserInfo() if one.GetUserInfo().GetSize() else None

def tree(one):
    return {
        "settings": [int(one.GetEntries()), one.GetTitle(), one.GetWeight(), int(one.GetAutoFlush()),
                     int(one.GetAutoSave()), int(one.GetMaxEntryLoop()), int(one.GetTimerInterval()),
                     int(one.GetScanField()), bits(one)],
        "aliases": [[a.GetName(), a.GetTitle()] for a in (one.GetListOfAliases() or [])],
        "friends": [[f.GetName(), f.GetTitle()] for f in (one.GetListOfFriends() or [])],
        "index": one.GetTreeIndex().ClassName() if one.GetTreeIndex() else None,
        "user": None if not user(one) else [[u.ClassName(), u.GetName(), u.GetTitle()] for u in one.GetUserInfo()],
        "branches": branches(one, "", {}),
    }

def keys(folder, path, found):
    for key in folder.GetListOfKeys():
        here, name = f"{path}/{key.GetName()};{key.GetCycle()}", key.GetClassName()
        facts = {"class": name, "title": key.GetTitle()}
        found[here] = facts
        if name in ("TDirectory", "TDirectoryFile"):
            keys(key.ReadObj(), here, found)
        elif name in ("TTree", "TNtuple", "TNtupleD"):
            facts.update(tree(key.ReadObj()))
    return found

file = ROOT.TFile.Open(sys.argv[1])
print("\nfacts " + json.dumps(keys(file, "", {})), flush=True)
import os; os._exit(0)
"""

ACTIONS = {
    "compress, decompress": """
import sys, hepae
hepae.compress(sys.argv[1], sys.argv[2] + ".small")
hepae.decompress(sys.argv[2] + ".small", sys.argv[2])
""",
    "skim": """
import shutil, sys, uproot
from hepae.skim import skim
kinds = uproot.open(sys.argv[1]).classnames()
trees = ("TTree", "TNtuple", "TNtupleD")
names = dict.fromkeys(path.partition(";")[0] for path, name in kinds.items() if name in trees)
shutil.copy(sys.argv[1], sys.argv[2] + ".0")
for number, name in enumerate(names):
    skim(f"{sys.argv[2]}.{number}", f"{sys.argv[2]}.{number + 1}", "Entry$ >= 0", tree=name)
shutil.copy(f"{sys.argv[2]}.{len(names)}", sys.argv[2])
""",
    "merge alone": """
import sys
from hepae.merge import merge
merge(sys.argv[2], [sys.argv[1]])
""",
}


def main() -> int:
    """Go through the files; 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("words", nargs="*", help="of names of files; all without")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds for each step")
    options = parser.parse_args()
    differ = 0
    for path in sorted(options.folder.glob("*.root")):
        if not options.words or any(word in path.name for word in options.words):
            for action, outcome in _outcomes(path, options.limit):
                print(f"{path.name:58} {action:21} {outcome}", flush=True)
                differ += outcome.startswith("differs")
    return int(differ > 0)


def _outcomes(path: Path, limit: float) -> Iterator[tuple[str, str]]:
    """What became of a file, by action."""
    before = _facts(path, limit)
    if before is None:
        yield "all", "ROOT itself cannot list it"
        return
    if not any("branches" in key for key in before.values()):
        return
    for action, code in ACTIONS.items():
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "out.root"
            done = _run(code, limit, path, target)
            if done.returncode:
                yield action, f"refused: {(done.stderr.strip().splitlines() or ['?'])[-1][:150]}"
                continue
            after = _facts(target, limit)
        told = "ROOT cannot list what was written" if after is None else _difference(before, after, action)
        yield action, f"differs: {told}" if told else "same"


def _run(code: str, limit: float, *paths: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, paths)]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"longer than {limit:.0f} s")


def _facts(path: Path, limit: float) -> Facts | None:
    """What ROOT lists of a file."""
    listed = _run(LIST, limit, path).stdout.rpartition("\nfacts ")[2]
    try:
        facts: Facts = json.loads(listed)
    except ValueError:
        return None
    return facts


def _difference(before: Facts, after: Facts, action: str) -> str:
    """The first difference, in words; empty where there is none."""
    if action == "merge alone":
        before, after = _newest(before), _newest(after)
    for part in (f"{key} is {what}" for what, keys in _unpaired(before, after) for key in keys):
        return part
    for key, facts in before.items():
        if found := _first(key, facts, after[key]):
            return found
    return ""


def _unpaired(before: Facts, after: Facts) -> Iterator[tuple[str, list[str]]]:
    yield "missing", [key for key in before if key not in after]
    yield "new", [key for key in after if key not in before]


def _newest(facts: Facts) -> Facts:
    """The newest cycle of each path, without the number; the file lists it first."""
    newest: Facts = {}
    for key, one in facts.items():
        newest.setdefault("/".join(part.rpartition(";")[0] for part in key.split("/")), one)
    return newest


def _first(where: str, one: Any, other: Any) -> str:
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        return next((told for key in one if (told := _first(f"{where} {key}", one[key], other[key]))), "")
    return "" if one == other else f"{where}: {_short(one, other)}"


def _short(one: Any, other: Any) -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        return f"other names or another order: {[key for key in one if key not in other][:3]}"
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return "; ".join(f"{a!r} -> {b!r}" for a, b in zip(one, other, strict=True) if a != b)[:300]
    return f"{one!r} -> {other!r}"[:300]


if __name__ == "__main__":
    sys.exit(main())
