"""Texts: names in files, cuts, and tables in CSV."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path

import numpy as np

import hepae
from hepae import cli
from hepae.errors import CsvError, CutError, HepaeError, LimitError, UnsupportedError
from hepae.files.cut import Cut
from hepae.learn.recipe import recipe_of
from hepae.root.columns import Jagged
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.plan import NewBranch
from tests.attacks.attack import Attack

__all__ = ["ATTACKS"]


def _cut(name: str, text: str, refusal: type[HepaeError] | None = CutError) -> Attack:
    return Attack(f"cut: {name}", lambda _: Cut(text).keeps({"nJet": np.arange(3)}, 3), refusal)


def _csv(name: str, text: str, words: str, refusal: type[HepaeError] = CsvError) -> Attack:
    def run(folder: Path) -> object:
        (folder / "a.csv").write_text(text, encoding="utf-8")
        return hepae.compress(folder / "a.csv", folder / "b.root", collection="Jet", recipe=LIFTING)

    return Attack(f"csv: {name}", run, refusal, words)


def _branch(folder: Path, name: str) -> Path:
    """A file with a branch of that name."""
    path = folder / "a.root"
    with RootWriter(path) as out:
        plan = [NewBranch("nJet", "int32"), NewBranch(f"Jet_{name}", "float32", name, "nJet")]
        tree = out.new_tree("Events", plan, "")
        tree.append({f"Jet_{name}": Jagged(np.array([1, 2]), np.ones(3, np.float32))})
        tree.finish()
    return path


def _name(name: str, branch: str) -> Attack:
    def run(folder: Path) -> object:
        return hepae.compress(_branch(folder, branch), folder / "b.root", recipe=LIFTING)

    return Attack(f"name: {name}", run, UnsupportedError, "a name that a compressed branch cannot have")


def _shown(name: str, folder: Path) -> None:
    """What a command prints of such a name steers no terminal and is no markup."""
    path, said = _branch(folder, name), io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        assert cli.main(["inspect", str(path)]) == 0
        assert cli.main(["compress", str(path), str(folder / "b.root"), "--features", name + "x"]) == 2
    assert "\x1b" not in said.getvalue()
    assert "defect" not in said.getvalue()
    assert name.encode("unicode_escape").decode() in said.getvalue()


SHOWN = {
    "closing markup": "[/red]",
    "an escape": "\x1b[2J",
    "a link": "[link=file:///etc/passwd]pt",
    "a line break": "a\nb",
}
LIFTING = recipe_of({"codec": "lifting"})
EVENT = "1;qcd;1;8974.43;2.35746;"
ATTACKS = (
    _cut("Python", "__import__('os').system('touch evil')"),
    _cut("attributes", "nJet.__class__.__mro__"),
    _cut("a lambda", "(lambda: nJet)()"),
    _cut("text", "'a' * 1000000"),
    _cut("a power of powers", "9**9**9 > nJet"),
    _cut("4,000 brackets", "(" * 2000 + "nJet" + ")" * 2000),
    _cut("4,000 minus signs", "-" * 4000 + "nJet"),
    _cut("a megabyte", "nJet + " * 150_000 + "1", LimitError),
    _csv("a number of 100,000 digits", EVENT + "j," + "9" * 100_000 + ",1,1,1;\n", "line 1"),
    _csv("code for a number", EVENT + "j,__import__('os'),1,1,1;\n", "line 1"),
    _csv("an object of 100,000 numbers", EVENT + "j" + ",1" * 100_000 + ";\n", "line 1"),
    _csv("an unknown object", EVENT + "../../etc/passwd,1,1,1,1;\n", "line 1"),
    _csv("zeros", EVENT + "j,1,\x00,1,1;\n", "line 1"),
    _csv("a process of a megabyte", EVENT.replace("qcd", "q" * 1_000_000) + "j,1,1,1,1;\n", "line 1"),
    _name("white space", "two words"),
    _name("a line break", "a\nb"),
    _name("a terminal escape", "\x1b[31m"),
    _name("a kilobyte", "a" * 1000),
    *(Attack(f"name: {what} on a terminal", partial(_shown, name), None) for what, name in SHOWN.items()),
)
