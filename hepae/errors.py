"""The catalogue of errors: the class says what the user should do, the message says what happened where.

Every error that hepae raises on purpose derives from `HepaeError`, so that the command line can show one line
instead of a traceback and exit with a code other than zero.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

__all__ = [
    "AlreadyCompressedError",
    "BoundError",
    "BoundViolationError",
    "CollectionError",
    "CorruptionError",
    "CsvError",
    "CutError",
    "DefectError",
    "HepaeError",
    "InputError",
    "LimitError",
    "MissingExtraError",
    "MissingModelError",
    "ModelRejectedError",
    "OutputError",
    "SchemaError",
    "UnsupportedError",
    "nearest",
    "report_it",
]


PACKAGE = Path(__file__).parent
"""Where the code of hepae is."""


class HepaeError(Exception):
    """Base of all errors raised on purpose.

    Parameters
    ----------
    what
        One sentence: what is wrong.
    where
        File, tree, branch, entry, line: whatever locates it.
    expected, got
        What should have been there, and what was.
    hint
        What to do about it.

    Examples
    --------
    >>> print(HepaeError("counts differ", where="Jet_pt, event 7", expected=3, got=2, hint="check the skim"))
    counts differ [Jet_pt, event 7]: expected 3, got 2; check the skim
    """

    def __init__(
        self,
        what: str,
        *,
        where: object = None,
        expected: object = None,
        got: object = None,
        hint: str | None = None,
    ) -> None:
        self.what, self.where, self.expected, self.got, self.hint = what, where, expected, got, hint
        text = what if where is None else f"{what} [{where}]"
        facts = [
            f"{word} {fact}" for word, fact in (("expected", expected), ("got", got)) if fact is not None
        ]
        if facts:
            text += ": " + ", ".join(facts)
        if hint:
            text += f"; {hint}"
        super().__init__(text)

    def __reduce__(self) -> tuple[object, ...]:
        # keyword-only arguments are lost by the default reduction, and errors cross process borders in dask
        return _rebuild, (type(self), self.what, self.where, self.expected, self.got, self.hint)


def _rebuild(
    cls: type[HepaeError], what: str, where: object, expected: object, got: object, hint: str | None
) -> HepaeError:
    return cls(what, where=where, expected=expected, got=got, hint=hint)


class InputError(HepaeError):
    """An input file is not what it claims to be: missing, empty, truncated, not ROOT, not CSV. Check the file."""


class CsvError(InputError):
    """A CSV line that cannot be parsed exactly. The location is file, line and column."""


class CutError(HepaeError):
    """A cut that is no expression of the language for cuts. The message names what is allowed."""


class CollectionError(HepaeError):
    """A collection cannot be found or its branches disagree. Name another collection or other features."""


class SchemaError(HepaeError):
    """The features of the input are not those of the model. Choose another model or rename."""


class UnsupportedError(HepaeError):
    """A structure that hepae cannot rewrite without loss. Use `--side`, or leave the branch alone."""


class AlreadyCompressedError(HepaeError):
    """The collection is compressed already. Decompress first, or compress another collection."""


class BoundError(HepaeError):
    """A bound that cannot be parsed or kept. The message names the smallest feasible bound."""


class BoundViolationError(HepaeError):
    """A restored value is out of its bound. The promise was not kept: nothing was written under the final name."""


class CorruptionError(HepaeError):
    """Bytes that hepae owns do not carry their checksum, or events of a chunk were dropped. Restore from a copy."""


class LimitError(CorruptionError):
    """A size in a payload, a manifest or a model exceeds its named limit (`hepae.limits`)."""


class MissingModelError(HepaeError):
    """The model that wrote a payload is not at hand. The message has its SHA-256; give it with `--model`."""


class MissingExtraError(HepaeError):
    """An optional package is needed. The message names the extra to install."""


class ModelRejectedError(HepaeError):
    """A model that is not admitted: bad operators, sizes, names or numbers. Use a model made by hepae."""


class OutputError(HepaeError):
    """The output cannot be written: exists as the input, no permission, disk full. Nothing was replaced."""


class DefectError(HepaeError):
    """hepae itself failed, whatever the file. Report it, with the line of the message and the file if you may."""

    @classmethod
    def of(cls, problem: BaseException, where: object = None) -> DefectError:
        """The defect behind an exception that hepae did not raise on purpose, with the line that it came through."""
        frames = [
            frame
            for frame in traceback.extract_tb(problem.__traceback__)
            if PACKAGE in Path(frame.filename).parents
        ]
        lines = [
            f"{Path(frame.filename).relative_to(PACKAGE.parent)}:{frame.lineno}" for frame in frames[-1:]
        ]
        places = [*([] if where is None else [str(where)]), *lines]
        got = f"{type(problem).__name__}: {problem}".splitlines()[0]
        return cls("a defect of hepae", where=", ".join(places) or None, got=got, hint=report_it())


def nearest(name: str, candidates: Iterable[str], most: int = 4) -> str:
    """Names close to one that is missing, for a hint: ``did you mean …?``; empty when there is none."""
    near = get_close_matches(name, list(candidates), n=most, cutoff=0.5)
    return f"did you mean {', '.join(near)}?" if near else ""


def report_it() -> str:
    """What to do about a defect of hepae, for a hint: where to report it, as the metadata of the package say.

    Examples
    --------
    >>> report_it().startswith("please report it")
    True
    """
    try:
        urls = dict(entry.split(", ", 1) for entry in metadata(PACKAGE.name).get_all("Project-URL") or ())
    except PackageNotFoundError:  # a checkout on the path that was not installed
        urls = {}
    address = next((urls[label] for label in ("Issues", "Repository", "Homepage") if label in urls), None)
    return f"please report it: {address}" if address else "please report it, as CONTRIBUTING.md says"
