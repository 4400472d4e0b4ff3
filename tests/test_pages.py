"""Risk: a page that is no longer true. Commands and Python of every page run in an empty folder, in order.

Every line ``$ hepae …`` of a ``console`` block and every ``python`` block is run, but those after a comment
``<!-- not run: reason -->``. What a page shows of an output has to be printed. Blocks of Python share their names;
those that need ROOT run in a process of their own. Training makes a small network where a page would have a large one.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hepae import cli
from hepae.learn.masked import efforts
from hepae.learn.masked.efforts import Effort
from hepae.learn.masked.integer_network import Size
from hepae.version import __version__
from scripts.site.commands import downloads, on_page_markdown

HERE = Path(__file__).parent.parent
BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"<!-- not run: .+ -->\s*$")
QUICK = Effort((Size((8,), (4, 3), 8, 8),), bins=32, samples=100_000, batch=256)


NUMBER = re.compile(r"(?<![\w.-])\d[\d,]*(?:\.\d+)?(?![\w-])")
STALE = 0.05
"""Part of a number that what a page shows of an output may be off: sizes move when predictions become better."""


@dataclass(frozen=True)
class Block:
    """Something to run, and what it prints, where a page shows that in the same block or in one right behind."""

    language: str
    text: str
    line: int
    shown: str = ""


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a page that are run, in order."""
    every = list(BLOCK.finditer(text))
    for found, behind in itertools.zip_longest(every, every[1:]):
        if not NOT_RUN.search(text[: found.start()]):
            outputs = found["language"] == "console" and behind is not None and behind["language"] == "text"
            direct = outputs and not text[found.end() : behind.start()].strip()
            shown = behind["text"] if direct else ""
            yield Block(found["language"], found["text"], text[: found.start()].count("\n") + 2, shown)


def commands(block: Block) -> Iterator[tuple[list[str], list[str]]]:
    """The words of each command of hepae, lines that end in a backslash joined, and the lines that it shows."""
    lines = block.text.replace("\\\n", " ").splitlines()
    starts = [at for at, line in enumerate(lines) if line.strip().startswith("$ ")]
    for start, stop in itertools.pairwise([*starts, len(lines)]):
        words = shlex.split(lines[start].strip().removeprefix("$ "), comments=True)
        if words[:1] == ["hepae"]:
            shown = block.shown.splitlines() if start == starts[-1] else []
            yield words[1:], [line for line in (*lines[start + 1 : stop], *shown) if line.strip()]


def run(block: Block, names: dict[str, Any], said: Callable[[], str]) -> None:
    """Run a block; names of Python stay for the next."""
    if block.language == "console":
        for words, shown in commands(block):
            said()
            assert cli.main(words) == 0, f"line {block.line}: hepae {shlex.join(words)}"
            require_shown(shown, said(), f"line {block.line}: hepae {shlex.join(words)}")
    elif block.language == "python" and needs_process(block):
        if importlib.util.find_spec("ROOT") is not None:
            run_with_root(block)
    elif block.language == "python":
        exec(compile("\n" * (block.line - 1) + block.text, "page", "exec"), names)


def require_shown(shown: list[str], printed: str, where: str) -> None:
    """Each line that a page shows is printed, in its words, with numbers that are as large or nearly so."""
    lines = [taken_apart(line) for line in printed.splitlines()]
    for line in shown:
        words, numbers = taken_apart(line)
        alike = [others for same, others in lines if same == words]
        assert alike, f"{where} prints no line like {line!r}:\n{printed}"
        near = [np.allclose(numbers, others, rtol=STALE, atol=0) for others in alike]
        assert any(near), f"{where}: {line!r} is {alike} now"


def taken_apart(line: str) -> tuple[str, list[float]]:
    """A line without its numbers and its spaces, and the numbers."""
    found = [float(number.replace(",", "")) for number in NUMBER.findall(line)]
    return " ".join(NUMBER.sub("#", line).split()), found


def needs_process(block: Block) -> bool:
    """Whether the block is Python with ROOT."""
    return block.language == "python" and "hepae.rdataframe" in block.text


def run_with_root(block: Block) -> None:
    """Run Python in a process of its own, without windows."""
    program = "import ROOT; ROOT.gROOT.SetBatch(True)\n" + block.text
    environment = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, f"line {block.line}: {done.stderr[-3000:]}"


def pages() -> list[str]:
    """Every page with something to run."""
    found = [
        HERE / "README.md",
        HERE / "CONTRIBUTING.md",
        HERE / "SECURITY.md",
        *sorted((HERE / "docs").rglob("*.md")),
    ]
    return [
        str(page.relative_to(HERE))
        for page in found
        if any(
            block.language == "python" or list(commands(block)) for block in blocks(page.read_text("utf-8"))
        )
    ]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing but the bundled samples, as in the repository and as from the site; networks are small."""
    for name in ("default", "best"):
        monkeypatch.setitem(efforts.EFFORTS, name, QUICK)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "data").symlink_to(HERE / "tests" / "data")
    for sample in (HERE / "tests" / "data").iterdir():
        (tmp_path / sample.name).symlink_to(sample)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("page", pages())
def test_the_commands_and_the_python_of_a_page_run(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks((HERE / page).read_text(encoding="utf-8")):
        run(block, names, lambda: capsys.readouterr().out)


def test_the_pages_that_teach_are_among_those_that_run() -> None:
    teaching = ("nanoaod", "ntuples", "physlite", "bounds", "reading", "datasets", "tutorial", "images")
    assert {"README.md", *(f"docs/{name}.md" for name in teaching)} <= set(pages())


def test_all_python_of_the_pages_is_run() -> None:
    for page in pages():
        text = (HERE / page).read_text(encoding="utf-8")
        left_out = [found for found in BLOCK.finditer(text) if NOT_RUN.search(text[: found.start()])]
        assert not [found for found in left_out if found["language"] == "python"], page


def test_files_and_targets_that_the_readme_names_are_there() -> None:
    text = (HERE / "README.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:|#)([^)]+)\)", text):
        page, _, anchor = link.partition("#")
        assert (HERE / page).exists(), link
        headings = re.findall(r"^#+ (.+)$", (HERE / page).read_text("utf-8"), re.MULTILINE) if anchor else []
        assert not anchor or anchor in [re.sub(r"\W+", "-", one.lower()).strip("-") for one in headings], link
    assert set(re.findall(r"hepae-([0-9.]+)-py3", text)) == {__version__}
    makefile = (HERE / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:^ *|`|\$ )make ([a-z]+)", text, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_figures_of_whole_files_are_the_same_on_all_pages() -> None:
    texts = {
        name: (HERE / name).read_text(encoding="utf-8")
        for name in ("README.md", "docs/compare.md", "docs/nanoaod.md", "docs/ntuples.md")
    }
    rows = {
        name: [
            line.partition("|")[2].partition("|")[2]
            for line in texts[name].splitlines()
            if " B |" not in line
        ]
        for name in ("README.md", "docs/compare.md")
    }
    sizes = {
        name: [row for row in found if re.match(r" \d[\d,]{6,} \| \d", row)] for name, found in rows.items()
    }
    assert len(sizes["README.md"]) >= 4
    assert sizes["README.md"] == sizes["docs/compare.md"]
    for name in ("docs/nanoaod.md", "docs/ntuples.md"):
        shown = "".join(found["text"] for found in BLOCK.finditer(texts[name]))
        for figure in re.findall(r"\d+,[\d,]*\d(?= B\b)", BLOCK.sub("", texts[name])):
            assert figure in shown or any(figure in row for row in sizes["README.md"]), (name, figure)


def test_pages_of_the_site_need_no_checkout_and_link_to_the_samples_they_use() -> None:
    offered = {file.name for file in downloads()}
    for page in sorted((HERE / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        shown = on_page_markdown(text)
        assert "](../" not in shown, page.name
        assert set(re.findall(r"\]\(files/([^)]+)\)", shown)) <= offered
        for block in blocks(text):
            assert "tests/data" not in block.text, page.name
            for sample in re.findall(r"\b(?:sample|ntuple|constituents)\.(?:root|csv)\b", block.text):
                assert f"(../tests/data/{sample})" in text, (page.name, sample)


def test_blocks_are_found_and_left_out_as_said() -> None:
    text = "a\n```console\n$ hepae inspect \\\n    a.root\nout\n```\n<!-- not run: slow -->\n```python\n1 / 0\n```\n"
    (found,) = blocks(text)
    assert list(commands(found)) == [(["inspect", "a.root"], ["out"])]


def test_what_a_page_shows_is_what_is_printed() -> None:
    printed = "tree  before, B\nEvents    1,000\n"
    require_shown(["Events  1,020", "tree before, B"], printed, "here")
    for line in ("Events 1,200", "Jets 1,000"):
        with pytest.raises(AssertionError):
            require_shown([line], printed, "here")
    found, _ = blocks("```console\n$ hepae inspect a.root\n```\n\n```text\na.root: 10 B\n```\n")
    assert list(commands(found)) == [(["inspect", "a.root"], ["a.root: 10 B"])]


def test_the_table_of_risks_names_tests_that_are_there() -> None:
    named = re.findall(
        r"`(test_\w+\.py)::(test_\w+)`", (HERE / "tests" / "README.md").read_text(encoding="utf-8")
    )
    assert len(named) > 40
    for file, test in named:
        assert f"def {test}(" in (HERE / "tests" / file).read_text(encoding="utf-8"), f"{file}::{test}"
