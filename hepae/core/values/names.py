"""Names from files and models: what a name may be, and how one that may be anything is shown."""

from __future__ import annotations

from hepae import limits

__all__ = ["is_name", "printable"]


def is_name(text: str) -> bool:
    """Whether a text can be the name of a collection, a feature or a branch in titles, manifests and generated code.

    Examples
    --------
    >>> is_name("AnalysisJetsAuxDyn.pt"), is_name("two words"), is_name("")
    (True, False, False)
    """
    return 0 < len(text) <= limits.MAX_NAME_LENGTH and text.isprintable() and " " not in text


def printable(text: str) -> str:
    r"""A text on one line that cannot steer a terminal: what is not printable becomes its escape.

    Examples
    --------
    >>> print(printable("pt\n\x1b[31m"))
    pt\n\x1b[31m
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
