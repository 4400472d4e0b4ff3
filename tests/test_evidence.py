"""Risk: evidence that is not what a run found, or not of what is there now. Pages say so of each row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.hardening import covered, evidence

PAGES = sorted(path for path in evidence.FOLDER.glob("*.md") if path.name != "index.md")
DATE = r"\d{4}-\d\d-\d\d \d\d:\d\d"
DIGEST = r"[0-9a-f]{16}"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> evidence.Page:
    monkeypatch.setattr(evidence, "ROOT", tmp_path)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text("1")
    (tmp_path / "b.py").write_text("2")
    columns = ("what", "count", "note")
    return evidence.Page(tmp_path / "folder" / "page.md", "Title", "How.", columns, ("code", "b.py"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_row_of_every_page_has_a_date_and_a_digest_of_sources_that_the_page_names(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    header, _, *rows = evidence.table_of(text)
    assert header[-2:] == (evidence.RUN, evidence.SOURCES)
    assert "commit" not in header
    assert rows
    for row in rows:
        assert re.fullmatch(DATE, row[-2])
        assert re.fullmatch(f"{DIGEST}( \\(older\\))?", row[-1])
    assert re.search(r"^Sources: .*\.$", text, re.MULTILINE)
    for name in evidence.sources_of(text) or [row[0] for row in rows]:
        assert (evidence.ROOT / name).exists(), name


def test_a_row_of_the_same_key_is_replaced_and_the_others_stay(page: evidence.Page) -> None:
    page.note([{"what": "a", "count": 1_000_000, "note": 1.25}, {"what": "b", "count": 2, "note": "x"}])
    page.note([{"what": "a", "count": 3, "note": "pipes | and\nlines"}])
    assert [row[:3] for row in page.rows()] == [("a", "3", "pipes / and lines"), ("b", "2", "x")]
    text = page.path.read_text()
    assert text.startswith("# Title\n\nHow.\n\nPython 3.")
    assert "\n\nSources: `code`, `b.py`.\n" in text
    assert "\n\n| what | count | note | run (UTC) | sources |\n| --- | --- | --- | --- | --- |\n" in text


def test_rows_of_other_columns_are_not_kept(page: evidence.Page) -> None:
    page.note([{"what": "a", "count": 1, "note": ""}])
    other = evidence.Page(page.path, "Title", "How.", ("what", "count"))
    other.note([{"what": "b", "count": 2}])
    assert [row[:2] for row in other.rows()] == [("b", "2")]


def test_rows_of_sources_that_changed_since_are_marked_as_older(page: evidence.Page) -> None:
    page.note([{"what": "a", "count": 1, "note": ""}, {"what": "b", "count": 2, "note": ""}])
    first = evidence.digest(page.sources)
    assert [row[-1] for row in page.rows()] == [first, first]
    (evidence.ROOT / "code" / "a.py").write_text("3")
    page.note([{"what": "b", "count": 4, "note": ""}])
    second = evidence.digest(page.sources)
    assert [row[-1] for row in page.rows()] == [f"{first} (older)", second]
    (evidence.ROOT / "code" / "a.py").write_text("1")
    assert evidence.main(page.path.parent) == 0
    assert [row[-1] for row in page.rows()] == [first, f"{second} (older)"]


def test_a_row_may_name_its_own_source_date_and_digest(page: evidence.Page) -> None:
    own = evidence.Page(page.path, "Title", "How.", ("module", "count"))
    own.note([{"module": "b.py", "count": 1}, {"module": "code/a.py", "count": 2}])
    (evidence.ROOT / "b.py").write_text("3")
    own.note([{"module": "c.py", "count": 3, evidence.RUN: "2026-01-02 03:04", evidence.SOURCES: "0" * 16}])
    marks = [row[-1].endswith(evidence.OLDER) for row in own.rows()]
    assert marks == [True, False, True]
    assert own.rows()[2][-2] == "2026-01-02 03:04"


def test_numbers_are_written_with_commas() -> None:
    assert [evidence.shown(value) for value in (1_234_567, 1234.56, "as it is")] == [
        "1,234,567",
        "1,234.6",
        "as it is",
    ]


def test_a_digest_changes_with_any_of_its_files_and_with_their_names(page: evidence.Page) -> None:
    digests = [evidence.digest(page.sources), evidence.digest(page.sources[::-1])]
    assert re.fullmatch(DIGEST, digests[0])
    assert digests[0] == digests[1]
    (evidence.ROOT / "b.py").write_text("3")
    digests.append(evidence.digest(page.sources))
    (evidence.ROOT / "code" / "a.py").rename(evidence.ROOT / "code" / "c.py")
    digests.append(evidence.digest(page.sources))
    (evidence.ROOT / "b.py").unlink()
    digests.append(evidence.digest(page.sources))
    (evidence.ROOT / "code" / "notes.txt").write_text("no source")
    assert evidence.digest(page.sources) == digests[-1]
    assert len(set(digests[1:])) == 4


def test_coverage_is_told_by_part() -> None:
    def said(statements: int, run: int, missing: list[int]) -> dict[str, object]:
        summary = {
            "num_statements": statements,
            "covered_lines": run,
            "num_branches": 2,
            "covered_branches": 2,
        }
        return {"summary": summary, "missing_lines": missing}

    files = {"hepae/core/values/bounds.py": said(8, 7, [3]), "hepae/other.py": said(8, 8, [])}
    every, values, writer = covered.rows(files)
    assert (every["files"], every["covered"], every["not covered"]) == (2, "95.00 %", "")
    assert (values["covered"], values["not covered"]) == ("90.00 %", "hepae/core/values/bounds.py 3")
    assert writer["files"] == 0
