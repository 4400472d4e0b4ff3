"""What ROOT itself makes of RNTuples that went through hepae: shown, inspected, put together.

    python -m scripts.hardening.ntuples_in_root FOLDER [WORD ...] [--evidence docs/evidence/ntuples.md]

Each file with an RNTuple is compressed and decompressed. The ROOT wheel opens the original, the compressed and the
decompressed file with its RNTupleReader, in processes of their own, and shows entries, the types of fields, and their
values in the first entries. It inspects both files (RNTupleInspector), and puts each together with itself
(``hadd``): what comes out must be what it makes of two originals. Where ROOT cannot do it to the original either,
that is said, and counts as no fault.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hepae
from hepae.errors import HepaeError
from hepae.files.compress.narrowing import ALL
from hepae.files.compress.request import requested
from hepae.files.compress.whole import write_whole
from hepae.root.file.own_names import OWN_TREES, PAYLOAD
from hepae.root.file.source import RNTUPLES, open_source
from hepae.stored.payload import MARKER
from scripts.hardening import evidence
from tests.root_ntuples import hadd, inspected, shown

ENTRIES = 10
"""Whose values are shown."""
SOURCES = (
    "hepae/root/rntuple",
    "hepae/files/compress",
    "hepae/files/decompress",
    "hepae/stored",
    "tests/root_ntuples.py",
)
COLUMNS = ("file", "decompressed", "compressed", "hadd of decompressed", "hadd of compressed", "inspected")
TEXT = """
RNTuples of other programs, compressed and decompressed, as ROOT itself sees them:
`python -m scripts.hardening.ntuples_in_root FOLDER --evidence docs/evidence/ntuples.md`, for files of
scikit-hep-testdata and of coffea's tests. All that can be compressed is, though small files become larger.

*Decompressed* and *compressed*: RNTupleReader shows the entries, types and values of the original, of all fields or of
those that were kept. *hadd*: the file, put together with itself, is what two originals give, after `hepae decompress`
where it is compressed. *Inspected*: RNTupleInspector takes both. "ROOT: no" where it cannot do so to the original
either.
"""
SAME, NO = "same", "ROOT: no"

Shown = dict[str, str]


def main() -> int:
    """Go through the files; 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("words", nargs="*", help="of names of files; all without")
    parser.add_argument("--evidence", type=Path, help="page to write")
    options = parser.parse_args()
    differ = 0
    for path in sorted(options.folder.glob("*.root")):
        if (not options.words or any(word in path.name for word in options.words)) and has_ntuples(path):
            row = {"file": path.stem, **outcomes(path)}
            print(*row.values(), sep=" | ", flush=True)
            differ += any(outcome.startswith("differs") for outcome in list(row.values())[1:])
            if options.evidence:
                page(options.evidence).note([row])
    return int(differ > 0)


def page(path: Path) -> evidence.Page:
    """The page of evidence."""
    return evidence.Page(path, "RNTuples as ROOT sees them", TEXT, COLUMNS, SOURCES, ("ROOT",))


def has_ntuples(path: Path) -> bool:
    """Whether a file has an RNTuple."""
    try:
        with open_source(path) as source:
            return any(key.classname in RNTUPLES for key in source.keys)
    except HepaeError:
        return False


def outcomes(path: Path) -> dict[str, str]:
    """What became of a file, by column of the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small, back = folder / "small.root", folder / "back.root"
        compress(path, small)
        hepae.decompress(small, back)
        before = tried(lambda: shown(path, ENTRIES))
        return {
            "decompressed": compared(before, lambda: shown(back, ENTRIES)),
            "compressed": compared(before, lambda: shown(small, ENTRIES), of_kept),
            **merged(folder, path, small, back),
            "inspected": compared(
                tried(lambda: entries_of(path)), lambda: {**entries_of(back), **entries_of(small)}
            ),
        }


def compress(path: Path, target: Path) -> None:
    """Compress all that can be, though nothing becomes smaller."""
    with open_source(path) as source:
        trees, asked = requested(source, (), {}, ALL)
        write_whole(target, source, trees, asked)


def merged(folder: Path, path: Path, small: Path, back: Path) -> dict[str, str]:
    """What ``hadd`` makes of a file twice, of the original, decompressed and compressed."""
    target, restored = folder / "merged.root", folder / "restored.root"

    def of_small() -> Shown:
        twice(target, small)
        hepae.decompress(target, restored)
        return shown(restored, ENTRIES)

    before = tried(lambda: twice(target, path))
    return {
        "hadd of decompressed": compared(before, lambda: twice(target, back)),
        "hadd of compressed": compared(before, of_small),
    }


def twice(target: Path, path: Path) -> Shown:
    """What ROOT shows of a file that it put together with itself."""
    assert hadd(target, path, path)
    return shown(target, ENTRIES)


def entries_of(path: Path) -> Shown:
    """Entries of each RNTuple that is not hepae's own, as RNTupleInspector says."""
    return {name: str(facts[0]) for name, facts in inspected(path)[0].items() if not is_own(name)}


def is_own(name: str) -> bool:
    """Whether an RNTuple is a payload or another table of hepae's own."""
    return name.partition(";")[0].endswith(PAYLOAD) or name.partition(";")[0] in OWN_TREES


def of_kept(before: Shown, after: Shown) -> tuple[Shown, Shown]:
    """The same fields of both: those that are in the compressed file."""
    after = {name: text for name, text in after.items() if not is_own(name)}
    kept = {name: list(lines(text)) for name, text in after.items()}
    stays = {name: {field for field, _ in parts} for name, parts in kept.items()}
    mine = {
        name: "\n".join(line for field, line in lines(text) if field in stays.get(name, ()))
        for name, text in before.items()
    }
    theirs = {
        name: "\n".join(line for field, line in parts if field != MARKER) for name, parts in kept.items()
    }
    return mine, theirs


def lines(text: str) -> Iterator[tuple[str, str]]:
    """The lines of what is shown, by the field that each is of; a value may take several lines."""
    field = ""
    for line in text.splitlines():
        head = line.partition(": ")[0].split(" ")
        field = head[0] if len(head) > 1 and not line.startswith((" ", "{", "}")) else field
        yield field, line


def tried(shows: Callable[[], Shown]) -> Shown | None:
    """What ROOT shows, None where it ends or refuses."""
    try:
        return shows()
    except (AssertionError, ValueError):
        return None


def compared(
    before: Shown | None,
    shows: Callable[[], Shown],
    parts: Callable[[Shown, Shown], tuple[Shown, Shown]] = lambda one, other: (one, other),
) -> str:
    """An outcome in words."""
    if before is None:
        return NO
    try:
        after = shows()
    except HepaeError as error:
        return f"refused: {error.what}"
    except (AssertionError, ValueError) as error:
        return f"differs: {str(error)[-200:]}"
    mine, theirs = parts(before, after)
    for name, text in mine.items():
        if text != theirs.get(name):
            return f"differs: {name}"
    return SAME if mine.keys() == theirs.keys() else "differs: names"


if __name__ == "__main__":
    sys.exit(main())
