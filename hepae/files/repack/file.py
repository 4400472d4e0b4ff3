"""Take a ROOT file through the lossless rewriting, checked before it takes its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hepae.files.repack.tree import SMALLEST
from hepae.files.repack.writing import write_repacked
from hepae.files.verify.run import verify
from hepae.progress import Report
from hepae.root.file.atomic import atomic_output
from hepae.root.file.compression import Compression
from hepae.root.file.source import open_source, size_of
from hepae.shown.bars import in_notebook

__all__ = ["Repacked", "repack"]


@dataclass(frozen=True)
class Repacked:
    """What `repack` did: bytes before and after."""

    source: str
    target: str
    bytes_before: int
    bytes_after: int


def repack(
    source: str | Path,
    target: str | Path,
    *,
    tried: Sequence[Compression] = SMALLEST,
    force: bool = True,
    report: Report = in_notebook,
) -> Repacked:
    """Rewrite a file so that it is as small as ROOT's own means allow. ROOT reads it without hepae.

    Parameters
    ----------
    source
        A ROOT file. What hepae compressed in it stays so.
    target
        ROOT file to write. It appears complete and verified, or not at all; a copy, where nothing would be smaller.
    tried
        Settings of compression, of which each branch takes the one that makes it smallest.
    force
        Whether a target that exists is replaced, as uproot's ``recreate`` does; an error otherwise, as in the
        command line.
    report
        Told how far the work is; by default a notebook shows it.

    Raises
    ------
    InputError
        If the file is damaged.
    BoundViolationError
        If what was written is not what was read, which would be a defect of hepae.

    Examples
    --------
    >>> import tempfile
    >>> done = repack("tests/data/sample.root", tempfile.mkdtemp() + "/small.root")
    >>> done.bytes_after < done.bytes_before
    True
    """
    with atomic_output(target, (source,), force=force) as temporary:
        with open_source(source) as opened:
            write_repacked(temporary, opened, tried, report)
        if size_of(temporary) < size_of(source):
            verify(source, temporary, recompressed=True, report=report).require_kept()
        else:
            with open_source(source) as opened:
                opened.copy_to(temporary)
        sizes = size_of(source), size_of(temporary)
    return Repacked(str(source), str(target), *sizes)
