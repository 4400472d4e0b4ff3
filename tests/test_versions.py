"""Risk: a version that stands in two places and differs between them."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest

import hepae
from hepae import limits
from tests.native_extension import installed, sources

HERE = Path(__file__).parent.parent


def test_the_citation_has_the_version_of_the_package() -> None:
    citation = (HERE / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == [hepae.__version__]


def test_the_extension_has_the_version_of_the_package_and_the_extra_asks_for_it() -> None:
    said, ours = (
        tomllib.loads((HERE / folder / "pyproject.toml").read_text("utf-8"))["project"]
        for folder in ("native", "")
    )
    assert said["version"] == hepae.__version__
    assert ours["optional-dependencies"]["fast"] == [f"hepae-native>={hepae.__version__}"]


def test_the_installed_extension_is_made_of_the_sources_here() -> None:
    """Else the tests run another decoder than the one that is shipped."""
    found = installed()
    if found is None:
        pytest.skip("hepae-native is not installed")
    assert importlib.metadata.version("hepae-native") == hepae.__version__
    assert found.sources == sources(), "`make setup`, or `pip install ./native`, builds it anew"


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
