"""Risk: a README, or a page that says the same, that is no longer true. Commands and Python run in an empty folder.

Every line ``$ hepae …`` of a ``console`` block and every ``python`` block is run, but those after a comment
``<!-- not run: reason -->``. Training makes a small network where the README would have a large one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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


def run(block: Block) -> None:
    if block.language == "console":
        for words in commands(block):
            assert cli.main(words) == 0, f"line {block.line}: hepae {shlex.join(words)}"
    elif block.language == "python":
        code = compile("\n" * (block.line - 1) + block.text, "page", "exec")
        exec(code, {"__name__": "__main__"})


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/images.md"])
def test_the_commands_and_the_python_of_a_page_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = list(blocks((HERE / page).read_text(encoding="utf-8")))
    assert sum(len(list(commands(block))) for block in found if block.language == "console") >= 4
    assert any(block.language == "python" for block in found)
    for name in ("default", "best"):
        monkeypatch.setitem(efforts.EFFORTS, name, QUICK)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "data").symlink_to(HERE / "tests" / "data")
    monkeypatch.chdir(tmp_path)
    for block in found:
        run(block)


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
