"""The evidence of long jobs: pages under `docs/evidence` that the jobs write themselves, a row for each thing shown.

A row that is run again replaces the one before, so that a page always tells of the newest run of each.
"""

from __future__ import annotations

import hashlib
import platform
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

__all__ = ["FOLDER", "Page", "commit", "digest", "now", "versions"]

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "docs" / "evidence"


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
        Of its table; rows are told apart by the first ``key`` of them.
    """

    path: Path
    title: str
    text: str
    columns: tuple[str, ...]
    key: int = 1

    def rows(self) -> list[tuple[str, ...]]:
        """The rows that the page has; none where its columns were others."""
        if not self.path.exists():
            return []
        lines = [line for line in self.path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
        cells = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
        return cells[2:] if cells[:1] == [self.columns] else []

    def note(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Add rows, each in the place of the one of the same key, and write the page."""
        found = {row[: self.key]: row for row in self.rows()}
        for row in rows:
            cells = tuple(shown(row[column]) for column in self.columns)
            found[cells[: self.key]] = cells
        table = [self.columns, tuple("---" for _ in self.columns), *found.values()]
        lines = [
            "# " + self.title,
            "",
            self.text.strip(),
            "",
            *("| " + " | ".join(row) + " |" for row in table),
        ]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("\n".join(lines) + "\n", encoding="utf-8")


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


def commit() -> str:
    """The commit that is checked out, with a + where files differ from it; unknown outside of a checkout."""
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=True
        )
        tracked = [*git, "status", "--porcelain", "--untracked-files=no", "hepae", "scripts"]
        changed = subprocess.run(tracked, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def digest(paths: Iterable[str]) -> str:
    """The first 16 digits of the SHA-256 of files of this repository: whether what was checked is what is there."""
    state = hashlib.sha256()
    for path in paths:
        state.update((ROOT / path).read_bytes())
    return state.hexdigest()[:16]


def versions(*packages: str) -> str:
    """Python and packages, such as ``Python 3.11.2, numpy 2.4.6``."""
    return ", ".join(
        [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]
    )
