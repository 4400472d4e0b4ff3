"""Names from files and models: what a name may be, and how one that may be anything is shown."""

from __future__ import annotations

from pathlib import Path

from hepae import limits

__all__ = ["is_name", "is_url", "printable"]


def is_name(text: str) -> bool:
    """Whether a text can be the name of a collection, a feature or a branch in titles, manifests and generated code.

    Examples
    --------
    >>> is_name("AnalysisJetsAuxDyn.pt"), is_name("two words"), is_name("")
    (True, False, False)
    """
    return 0 < len(text) <= limits.MAX_NAME_LENGTH and text.isprintable() and " " not in text


def is_url(path: str | Path) -> bool:
    """Whether a file is named by a URL, which is handed to uproot as it is; a `pathlib.Path` never is.

    Examples
    --------
    >>> is_url("root://eos.cern.ch//eos/a.root"), is_url("a.root"), is_url(Path("http:/a.root"))
    (True, False, False)
    """
    return "://" in str(path)


def printable(text: str) -> str:
    r"""A text on one line that cannot steer a terminal: what is not printable becomes its escape.

    Examples
    --------
    >>> print(printable("pt\n\x1b[31m"))
    pt\n\x1b[31m
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
