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
from functools import partial
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
from tests.root_ntuples import each_shown, hadd, inspected, shown

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
        before, after, kept = shown_each(path, back, small)
        return {
            "decompressed": compared(before, after),
            "compressed": compared(before, kept, of_kept),
            **merged(folder, path, small, back),
            "inspected": inspections(path, small, back),
        }


def compress(path: Path, target: Path) -> None:
    """Compress all that can be, though nothing becomes smaller."""
    with open_source(path) as source:
        trees, asked = requested(source, (), {}, ALL)
        write_whole(target, source, trees, asked)


def merged(folder: Path, path: Path, small: Path, back: Path) -> dict[str, str]:
    """What ``hadd`` makes of a file twice, of the original, decompressed and compressed."""
    twice = [
        doubled(folder / f"twice_{number}.root", file) for number, file in enumerate((path, back, small))
    ]
    if isinstance(twice[2], Path):
        twice[2] = restored(twice[2], folder / "restored.root")
    before, after, of_small = shown_each(*twice)
    return {
        "hadd of decompressed": compared(before, after),
        "hadd of compressed": compared(before, of_small),
    }


def doubled(target: Path, path: Path) -> Path | str:
    """A file that ROOT put together with itself; why it could not."""
    try:
        return target if hadd(target, path, path) else "differs: ROOT does not put it together"
    except (AssertionError, ValueError) as error:
        return f"differs: {str(error)[-200:]}"


def restored(path: Path, target: Path) -> Path | str:
    """A file decompressed; why it could not be."""
    try:
        hepae.decompress(path, target)
    except HepaeError as error:
        return f"refused: {error.what}"
    return target


def inspections(path: Path, small: Path, back: Path) -> str:
    """An outcome of RNTupleInspector, which is to find the same entries in all files."""
    before, *others = (seen(partial(entries_of, file)) for file in (path, back, small))
    return next((word for word in (compared(before, other) for other in others) if word != SAME), SAME)


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


def shown_each(*files: Path | str) -> list[Shown | str]:
    """What ROOT shows of each file, in one process where it can; words instead of a file stay as they are."""
    paths = [file for file in files if isinstance(file, Path)]
    try:
        each: list[Shown | str] = [*each_shown(*paths, entries=ENTRIES)]
    except (AssertionError, ValueError):
        each = [seen(partial(shown, path, ENTRIES)) for path in paths]
    found = iter(each)
    return [next(found) if isinstance(file, Path) else file for file in files]


def seen(shows: Callable[[], Shown]) -> Shown | str:
    """What ROOT shows, or how it ends or refuses."""
    try:
        return shows()
    except (AssertionError, ValueError) as error:
        return f"differs: {str(error)[-200:]}"


def compared(
    before: Shown | str,
    after: Shown | str,
    parts: Callable[[Shown, Shown], tuple[Shown, Shown]] = lambda one, other: (one, other),
) -> str:
    """An outcome in words."""
    if isinstance(before, str):
        return NO
    if isinstance(after, str):
        return after
    mine, theirs = parts(before, after)
    for name, text in mine.items():
        if text != theirs.get(name):
            return f"differs: {name}"
    return SAME if mine.keys() == theirs.keys() else "differs: names"


if __name__ == "__main__":
    sys.exit(main())
