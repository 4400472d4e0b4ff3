"""The verification as whoever writes is handed it: what writes does not know what judges it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from hepae.core.values.bounds import Bound
from hepae.files.verify.result import Verification
from hepae.progress import Report
from hepae.stored.models import AnyModel

__all__ = ["Check"]


class Check(Protocol):
    """`hepae.files.verify.run.verify`."""

    def __call__(
        self,
        original: str | Path,
        other: str | Path,
        *,
        bounds: Iterable[tuple[str, Bound]],
        tree: str | None = None,
        models: Iterable[AnyModel] = (),
        report: Report,
    ) -> Verification:
        """What became of every value, and of everything else."""
