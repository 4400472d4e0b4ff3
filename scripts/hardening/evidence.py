"""The evidence of long jobs: pages under `docs/evidence` that the jobs write themselves, a row for each thing shown.

    python -m scripts.hardening.evidence            # mark rows that are of older sources, and count them

A row that is run again replaces the one before, so that a page always tells of the newest run of each. Each names the
sources that it was made with by their digest; where they have changed since, it is marked as older when the page is
written again.
"""

from __future__ import annotations

import hashlib
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

__all__ = ["FOLDER", "Page", "digest", "marked", "now", "sources_of", "versions"]

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "docs" / "evidence"

RUN: Final = "run (UTC)"
SOURCES: Final = "sources"
"""The last columns of every table: when a row was made, and with which sources."""

OLDER: Final = " (older)"
EACH: Final = "what the row names"
DIGITS: Final = 16
MARKS: Final = (
    "Rows that were made with other versions of these are marked as older; `make evidence` marks them anew."
)
LINE: Final = re.compile(r"^Sources: (.*)\.$", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """A page of evidence.

    Parameters
    ----------
    path
        Where it is.
    title, text
        What is shown, and how it is made again.
    columns
        Of its table, to which the date of the run and the digest of the sources are added; rows are told apart by the
        first ``key`` of them.
    sources
        Files and folders of this repository that the runs exercise; none where each row names its own in its first
        column.
    packages
        Whose versions are named.
    """

    path: Path
    title: str
    text: str
    columns: tuple[str, ...]
    sources: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    key: int = 1

    @property
    def header(self) -> tuple[str, ...]:
        """The columns of its table, all of them."""
        return (*self.columns, RUN, SOURCES)

    def rows(self) -> list[tuple[str, ...]]:
        """The rows that the page has; none where its columns were others."""
        if not self.path.exists():
            return []
        header, *others = table_of(self.path.read_text(encoding="utf-8")) or [()]
        return others[1:] if header == self.header else []

    def note(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Add rows, each in the place of the one of the same key, and write the page.

        A row is of now and of the sources as they are, where it says nothing else of ``run (UTC)`` and ``sources``.
        """
        known = {row[: self.key]: row for row in self.rows()}
        for row in rows:
            first = shown(row[self.columns[0]])
            whole = {RUN: now(), SOURCES: digest(self.sources or (first,)), **row}
            cells = tuple(shown(whole[column]) for column in self.header)
            known[cells[: self.key]] = cells
        named = ", ".join(f"`{name}`" for name in self.sources) or EACH
        lines = [
            "# " + self.title,
            "",
            self.text.strip(),
            "",
            f"{versions(*self.packages)}.",
            "",
            f"Sources: {named}.",
            MARKS,
            "",
            *map(line_of, (self.header, tuple("---" for _ in self.header), *known.values())),
        ]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(marked("\n".join(lines) + "\n"), encoding="utf-8")


def table_of(text: str) -> list[tuple[str, ...]]:
    """The cells of each line of a table."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]


def line_of(cells: Iterable[str]) -> str:
    """A line of a table."""
    return "| " + " | ".join(cells) + " |"


def sources_of(text: str) -> tuple[str, ...]:
    """The files and folders that a page names; none where its rows do."""
    found = LINE.search(text)
    return tuple(re.findall(r"`([^`]+)`", found.group(1))) if found else ()


def marked(text: str) -> str:
    """A page whose rows say whether they are of the sources as they are now."""
    sources = sources_of(text)
    present = digest(sources) if sources else ""
    lines = []
    for line in text.splitlines():
        cells = table_of(line)[0] if line.startswith("|") else ()
        made = cells[-1].removesuffix(OLDER) if cells else ""
        if re.fullmatch(f"[0-9a-f]{{{DIGITS}}}", made):
            is_present = made == (present or digest(cells[:1]))
            line = line_of((*cells[:-1], made if is_present else made + OLDER))
        lines.append(line)
    return "\n".join(lines) + "\n"


def shown(value: object) -> str:
    """A cell: numbers with commas, text that breaks no table."""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return str(value).replace("|", "/").replace("\n", " ")


def now() -> str:
    """Date and minute, UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M")


def digest(paths: Iterable[str]) -> str:
    """The first digits of the SHA-256 of the names and contents of files, and of all sources in folders.

    What is not there counts as nothing, so that the digest is another one where a file was moved.
    """
    state = hashlib.sha256()
    named = [ROOT / path for path in paths]
    files = {file for path in named for file in (_sources_in(path) if path.is_dir() else [path])}
    for name, file in sorted((file.relative_to(ROOT).as_posix(), file) for file in files if file.is_file()):
        data = file.read_bytes()
        state.update(f"{name}\0{len(data)}\0".encode() + data)
    return state.hexdigest()[:DIGITS]


def _sources_in(folder: Path) -> list[Path]:
    """Python and C++."""
    return [file for file in folder.rglob("*") if file.suffix in {".py", ".hpp", ".cpp"}]


def versions(*packages: str) -> str:
    """Python and packages, such as ``Python 3.11.2, numpy 2.4.6``."""
    return ", ".join(
        [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]
    )


def main(folder: Path = FOLDER) -> int:
    """Run from the command line."""
    for path in sorted(folder.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if LINE.search(text):
            path.write_text(marked(text), encoding="utf-8")
            rows = table_of(marked(text))[2:]
            print(
                f"{path.name}: {sum(row[-1].endswith(OLDER) for row in rows)} of {len(rows)} rows are older"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
