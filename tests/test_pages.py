"""Risk: a page that is no longer true. Commands and Python of every page run in an empty folder, in order.

Every line ``$ hepae …`` of a ``console`` block and every ``python`` block is run, but those after a comment
``<!-- not run: reason -->``. Blocks of Python share their names; those that need ROOT run in a process of
their own. Training makes a small network where a page would have a large one.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hepae import cli
from hepae.learn.masked import efforts
from hepae.learn.masked.efforts import Effort
from hepae.learn.masked.integer_network import Size

HERE = Path(__file__).parent.parent
BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"<!-- not run: .+ -->\s*$")
QUICK = Effort((Size((8,), (4, 3), 8, 8),), bins=32, samples=100_000, batch=256)


@dataclass(frozen=True)
class Block:
    """Something to run."""

    language: str
    text: str
    line: int


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a page that are run, in order."""
    for found in BLOCK.finditer(text):
        if not NOT_RUN.search(text[: found.start()]):
            yield Block(found["language"], found["text"], text[: found.start()].count("\n") + 2)


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each command of hepae, lines that end in a backslash joined."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = (
            shlex.split(line.strip().removeprefix("$ "), comments=True)
            if line.strip().startswith("$ ")
            else []
        )
        if words[:1] == ["hepae"]:
            yield words[1:]


def run(block: Block, names: dict[str, Any]) -> None:
    """Run a block; names of Python stay for the next."""
    if block.language == "console":
        for words in commands(block):
            assert cli.main(words) == 0, f"line {block.line}: hepae {shlex.join(words)}"
    elif block.language == "python" and needs_process(block):
        if importlib.util.find_spec("ROOT") is not None:
            run_with_root(block)
    elif block.language == "python":
        exec(compile("\n" * (block.line - 1) + block.text, "page", "exec"), names)


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
    """A folder with nothing but the bundled samples, in which networks are small."""
    for name in ("default", "best"):
        monkeypatch.setitem(efforts.EFFORTS, name, QUICK)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "data").symlink_to(HERE / "tests" / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize("page", pages())
def test_the_commands_and_the_python_of_a_page_run(page: str) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks((HERE / page).read_text(encoding="utf-8")):
        run(block, names)


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
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)\)", text):
        assert (HERE / link).exists(), link
    makefile = (HERE / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:^ *|`|\$ )make ([a-z]+)", text, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_blocks_are_found_and_left_out_as_said() -> None:
    text = "a\n```console\n$ hepae inspect \\\n    a.root\nout\n```\n<!-- not run: slow -->\n```python\n1 / 0\n```\n"
    (found,) = blocks(text)
    assert list(commands(found)) == [["inspect", "a.root"]]


def test_the_table_of_risks_names_tests_that_are_there() -> None:
    named = re.findall(
        r"`(test_\w+\.py)::(test_\w+)`", (HERE / "tests" / "README.md").read_text(encoding="utf-8")
    )
    assert len(named) > 40
    for file, test in named:
        assert f"def {test}(" in (HERE / "tests" / file).read_text(encoding="utf-8"), f"{file}::{test}"
