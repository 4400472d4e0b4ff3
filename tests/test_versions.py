"""Risk: a version that stands in two places and differs between them."""

from __future__ import annotations

import re
from pathlib import Path

import hepae
from hepae import limits

HERE = Path(__file__).parent.parent


def test_the_citation_has_the_version_of_the_package() -> None:
    citation = (HERE / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == [hepae.__version__]


def test_the_newest_version_of_the_format_page_is_the_one_that_is_written() -> None:
    page = (HERE / "docs" / "format" / "v1.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+)\.\d+ \| hepae \d", page, re.MULTILINE)
    assert rows
    assert int(rows[-1]) == limits.FORMAT_VERSION


def test_every_fragment_of_the_changelog_is_of_a_kind_that_is_listed() -> None:
    listed = set(
        re.findall(r"^\| `(\w+)` \|", (HERE / "changes" / "README.md").read_text("utf-8"), re.MULTILINE)
    )
    for path in (HERE / "changes").glob("*.md"):
        if path.name != "README.md":
            assert path.name.split(".")[1] in listed, path.name
