"""Objects that are no trees: histograms are added, what is equal is written once, what only one file has too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hepae.errors import UnsupportedError
from hepae.root.file.histograms import add_histogram, is_histogram
from hepae.root.file.nodes import Streamed
from hepae.root.file.packing import pack
from hepae.root.file.parsing import parse
from hepae.root.file.rest import copy_object
from hepae.root.file.source import Key, Source
from hepae.root.file.writer import RootWriter

__all__ = ["JoinedObject", "Others"]

Others = Literal["same", "first"]
"""What becomes of objects that differ and cannot be added: an error, or that of the first file."""


@dataclass(frozen=True)
class JoinedObject:
    """An object of some of the files.

    Parameters
    ----------
    path
        Directories and name.
    parts
        Files that have it, and the keys.
    others
        What becomes of objects that differ.

    Raises
    ------
    UnsupportedError
        If they differ and cannot be added.
    """

    path: str
    parts: Sequence[tuple[Source, Key]]
    others: Others = "same"

    def __post_init__(self) -> None:
        if self.adds:
            self._sum()
        elif self.others == "same":
            self._require_equal()

    @property
    def adds(self) -> bool:
        """Whether it is a histogram that several files have."""
        classes = {key.classname for _, key in self.parts}
        return len(self.parts) > 1 and len(classes) == 1 and is_histogram(classes.pop())

    def write(self, out: RootWriter) -> None:
        """Write it."""
        source, key = self.parts[0]
        home = out.home_of(key.above)
        if not self.adds:
            copy_object(source, key, out.file, home)
            return
        listed = out.file.key(key.classname, key.name, key.title, home)
        data = pack(self._sum(), listed.length)
        out.file.write_object(key.classname, key.name, key.title, data, home, cycle=key.cycle)

    def _sum(self) -> Streamed:
        total, *more = (self._parsed(source, key) for source, key in self.parts)
        for (source, key), one in zip(self.parts[1:], more, strict=True):
            add_histogram(total, one, f"{source.path}:{key.path}")
        return total

    def _parsed(self, source: Source, key: Key) -> Streamed:
        where = f"{source.path}:{key.path};{key.cycle}"
        return parse(source.object(key), key.classname, key.length, source.classes, where)

    def _require_equal(self) -> None:
        first, key = self.parts[0]
        expected = key.classname, first.object(key)
        for source, other in self.parts[1:]:
            if (other.classname, source.object(other)) != expected:
                raise UnsupportedError(
                    "an object differs between the files, and is no histogram that could be added",
                    where=f"{source.path}:{self.path}",
                    expected=f"the {key.classname} of {first.path}",
                    got=f"another {other.classname}",
                    hint="give it another name in one of the files (rootmv), and both are kept",
                )
