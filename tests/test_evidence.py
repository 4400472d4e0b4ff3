"""Risk: evidence that is not what a run found. Pages are written by the runs, and tell of the newest."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.hardening import evidence


@pytest.fixture
def page(tmp_path: Path) -> evidence.Page:
    return evidence.Page(tmp_path / "folder" / "page.md", "Title", "How.", ("what", "count", "note"))


def test_a_row_of_the_same_key_is_replaced_and_the_others_stay(page: evidence.Page) -> None:
    page.note([{"what": "a", "count": 1_000_000, "note": 1.25}, {"what": "b", "count": 2, "note": "x"}])
    page.note([{"what": "a", "count": 3, "note": "pipes | and\nlines"}])
    assert page.rows() == [("a", "3", "pipes / and lines"), ("b", "2", "x")]
    assert page.path.read_text().startswith(
        "# Title\n\nHow.\n\n| what | count | note |\n| --- | --- | --- |\n"
    )


def test_rows_of_other_columns_are_not_kept(page: evidence.Page) -> None:
    page.note([{"what": "a", "count": 1, "note": ""}])
    other = evidence.Page(page.path, "Title", "How.", ("what", "count"))
    other.note([{"what": "b", "count": 2}])
    assert other.rows() == [("b", "2")]


def test_numbers_are_written_with_commas() -> None:
    assert [evidence.shown(value) for value in (1_234_567, 1234.56, "as it is")] == [
        "1,234,567",
        "1,234.6",
        "as it is",
    ]


def test_a_digest_changes_with_any_of_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "ROOT", tmp_path)
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("2")
    before = evidence.digest(["a", "b"])
    (tmp_path / "b").write_text("3")
    assert len(before) == 16
    assert evidence.digest(["a", "b"]) != before


def test_outside_of_a_checkout_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "ROOT", tmp_path)
    assert evidence.commit() == "unknown"
