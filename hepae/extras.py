"""Optional packages: which extra brings which, and the error where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hepae.errors import MissingExtraError

__all__ = ["EXTRAS", "needed"]

EXTRAS = {
    "rich": "cli",
    "torch": "train",
    "hepae_native": "fast",
    "coffea": "hooks",
    "dask": "hooks",
    "dask_awkward": "hooks",
    "distributed": "hooks",
    "ROOT": "root",
    "blosc2": "lab",
    "hist": "lab",
    "lz4": "lab",
    "matplotlib": "lab",
    "mplhep": "lab",
    "openzl": "lab",
    "pysz": "lab",
    "threadpoolctl": "lab",
    "vector": "lab",
    "zfpy": "lab",
    "hypothesis": "testing",
}
"""The extra of ``pyproject.toml`` that brings each optional package, by the name that is imported."""


@contextmanager
def needed(purpose: str, otherwise: str = "") -> Iterator[None]:
    """Import optional packages here; one that is missing becomes an error that names its extra.

    Parameters
    ----------
    purpose
        What needs the packages, as the subject of a sentence.
    otherwise
        What does without them.

    Raises
    ------
    MissingExtraError
        If a package of an extra is not installed. The absence of any other module is left as it is.

    Examples
    --------
    >>> with needed("a plot"):
    ...     raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
    Traceback (most recent call last):
    hepae.errors.MissingExtraError: a plot needs matplotlib; pip install 'hepae[lab]'
    """
    try:
        yield
    except ModuleNotFoundError as problem:
        package = (problem.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        hint = f"pip install 'hepae[{EXTRAS[package]}]'" + (f"; {otherwise}" if otherwise else "")
        raise MissingExtraError(f"{purpose} needs {package}", hint=hint) from None
