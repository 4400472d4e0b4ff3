"""Change bounds and lattice in one place after the other, and see whether the tests notice.

    python -m scripts.hardening.mutate                      # all mutants of both modules; minutes to an hour
    python -m scripts.hardening.mutate --module lattice --every 10
    python -m scripts.hardening.mutate --evidence docs/evidence/mutation.md

Each mutant (`mutants.py`) runs the tests in a fork of a process that has collected them: changed functions and
constants are put in the place of the original's, so that a mutant costs no more than the tests that it survives. What
survives and is outside of functions, such as the defaults of a class, is tried again in a process of its own.
"""

from __future__ import annotations

import argparse
import ast
import functools
import hashlib
import importlib
import importlib.abc
import importlib.util
import inspect
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from rich.progress import track

from scripts.hardening.evidence import Page, commit, now
from scripts.hardening.mutants import Mutant, mutants

ROOT = Path(__file__).parent.parent.parent
MODULES = {"bounds": "hepae.core.values.bounds", "lattice": "hepae.core.values.lattice"}
TESTS = tuple(f"tests/test_{name}.py" for name in ("bound", "lattice_points", "lattice", "exhaustive"))
OPTIONS = ("-x", "-q", "-n0", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
CPU_SECONDS = 60
ENOUGH = 0.9
MESSAGE, SAME = "part of a message", "the same outcome"
REASONS = {
    ("'*?['", "'*?[?'"): SAME,
    ("'='", "'=?'"): f"{SAME}: NumPy looks at the first letter",
    ("'exact'", "'exact?'"): f"{SAME}: no error is allowed either way, and zeros are compared by their bits",
    ("''", "'?'"): MESSAGE,
    ("magnitude > 0", "magnitude >= 0"): f"{SAME}: the logarithm of zero is minus infinity",
    ("steps > -1", "steps >= -1"): "a single real number",
    ("x < 0", "x <= 0"): f"{SAME}: zero has the number 0, of which the sign does not matter",
    ("0", "1"): f"{SAME}: the size of an unknown dtype is not looked at",
    ("1", "2"): f"{SAME}: a table of one entry more, or of the same length",
    ("2", "3"): f"{SAME}: a longer table of which as much is used",
    ("1.0", "2.0"): f"{SAME}: all entries are divided by one of them",
    ("'inserted points'", "'inserted points?'"): MESSAGE,
    ("'log lattice'", "'log lattice?'"): MESSAGE,
    ("'values'", "'values?'"): "the name of a table in a cache",
    ("'centres'", "'centres?'"): "the name of a table in a cache",
}
"""Why survivors cannot be told from the original, by what was and what became of it."""


class Loader(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module from a tree."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name, self.tree = name, tree

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module, if it is this one."""
        return importlib.util.spec_from_loader(name, self) if name == self.name else None

    def exec_module(self, module: ModuleType) -> None:
        """Run the changed code."""
        exec(compile(self.tree, self.name, "exec"), module.__dict__)  # noqa: S102 - that is what a mutant is for


def in_fork(run: Callable[[], bool]) -> bool:
    """Whether something says yes in a fork, with a limit on its time."""
    child = os.fork()
    if child == 0:
        answer = False
        try:
            _silence()
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
            answer = run()
        finally:
            os._exit(0 if answer else 1)
    _, status = os.waitpid(child, 0)
    return status == 0


def loaded_anew(module: str, tree: ast.Module, tests: Sequence[str]) -> bool:
    """Whether all tests pass with this tree in the place of a module that is not loaded yet."""
    sys.meta_path.insert(0, Loader(module, tree))
    return int(pytest.main([*OPTIONS, *tests])) == 0


def put_in_place(module: str, tree: ast.Module) -> None:
    """Give the functions of a loaded module the code that they have in a tree."""
    old, new = sys.modules[module], ModuleType(module)
    exec(compile(tree, module, "exec"), new.__dict__)  # noqa: S102 - that is what a mutant is for
    for name, value in vars(new).items():
        if getattr(value, "__module__", None) == module:
            _take_over(vars(old)[name], value)
        elif isinstance(value, int | float | str | dict) and not name.startswith("__"):
            _replace_constant(name, vars(old)[name], value)
    importlib.import_module("hepae.core.arithmetic.tabulated")._tables.clear()
    importlib.import_module("scripts.hardening.exhaustive").lattice.cache_clear()


def _replace_constant(name: str, old: Any, new: Any) -> None:
    """In this module and wherever it was imported from it."""
    if old is new:
        return
    if isinstance(old, dict):
        old.clear()
        old.update(new)
    elif old != new:
        for module in [one for one in sys.modules.values() if one.__name__.startswith("hepae")]:
            if vars(module).get(name) == old:
                setattr(module, name, new)


def _take_over(old: Any, new: Any) -> None:
    if isinstance(new, type):
        for name, value in vars(new).items():
            part = value.fget if isinstance(value, property) else value
            if isinstance(inspect.unwrap(part) if callable(part) else part, FunctionType):
                before = vars(old)[name]
                _take_over(before.fget if isinstance(before, property) else before, part)
        return
    if hasattr(old, "cache_clear"):
        old.cache_clear()
    inner, other = inspect.unwrap(old), inspect.unwrap(new)
    if isinstance(inner, FunctionType):
        inner.__code__, inner.__defaults__ = other.__code__, other.__defaults__


class Trial:
    """A plugin of pytest's that runs the collected tests once for each mutant, each time in a fork."""

    def __init__(
        self, module: str, chosen: Sequence[tuple[int, Mutant]], note: Callable[[int, bool], None]
    ) -> None:
        self.module, self.chosen, self.note = module, chosen, note

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of running them once."""
        assert session.items, "no tests"
        unchanged = ast.parse(inspect.getsource(sys.modules[self.module]))
        if not in_fork(functools.partial(self._passes, session, unchanged)):
            raise SystemExit(f"{self.module}: the tests fail as it is")
        for number, mutant in track(self.chosen, self.module):
            self.note(number, in_fork(functools.partial(self._passes, session, mutant.tree)))
        return True

    def _passes(self, session: pytest.Session, tree: ast.Module) -> bool:
        put_in_place(self.module, tree)
        for item, following in zip(session.items, [*session.items[1:], None], strict=True):
            if any(report.failed for report in runtestprotocol(item, log=False, nextitem=following)):
                return False
        return True


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)


class State:
    """Mutants that were killed before: they stay so while the module is the same and tests are only added."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.killed: dict[str, list[int]] = {}
        if path is not None and path.exists():
            self.killed = json.loads(path.read_text(encoding="utf-8"))

    def note(self, source: str, number: int) -> None:
        """One more was killed."""
        self.killed.setdefault(self._key(source), []).append(number)
        if self.path is not None:
            self.path.write_text(json.dumps(self.killed), encoding="utf-8")

    def knows(self, source: str, number: int) -> bool:
        """Whether it was killed before."""
        return number in self.killed.get(self._key(source), [])

    @staticmethod
    def _key(source: str) -> str:
        return hashlib.sha256(source.encode()).hexdigest()


class Attempt:
    """The mutants of one module."""

    def __init__(self, name: str, first: int, every: int, state: State) -> None:
        self.name, self.module, self.state = name, MODULES[name], state
        self.source = (ROOT / "hepae" / f"{name}.py").read_text(encoding="utf-8")
        self.mutants = dict(list(enumerate(mutants(self.source)))[first::every])
        self.alive: list[Mutant] = []

    def run(self, tests: Sequence[str]) -> None:
        """Try those that are not known to be killed: in place, and what cannot be changed in place loaded anew."""
        waiting = [(n, one) for n, one in self.mutants.items() if not self.state.knows(self.source, n)]
        survivors: list[int] = []

        def note(number: int, survives: bool) -> None:
            if survives:
                survivors.append(number)
            else:
                self.state.note(self.source, number)

        assert pytest.main([*OPTIONS, "-s", *tests], plugins=[Trial(self.module, waiting, note)]) == 0
        for number in survivors:
            if self.mutants[number].inside or not self._is_killed_anew(number):
                self.alive.append(self.mutants[number])
                print(f"{self.name}, {self.mutants[number]}", flush=True)
            else:
                self.state.note(self.source, number)

    def _is_killed_anew(self, number: int) -> bool:
        command = [
            sys.executable,
            "-m",
            "scripts.hardening.mutate",
            "--module",
            self.name,
            "--only",
            str(number),
        ]
        return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0

    @property
    def summary(self) -> str:
        """One line."""
        return f"{self.name}: {len(self.mutants) - len(self.alive)} of {len(self.mutants)} killed"


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--module", choices=list(MODULES), action="append", help="only these")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th mutant")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="begin with this mutant")
    parser.add_argument("--only", type=int, metavar="N", help="this mutant, loaded anew; 0 if it is killed")
    parser.add_argument("--state", type=Path, help="file to note what was killed in, and to resume from")
    parser.add_argument("--test", action="append", help="these tests instead of the usual ones")
    parser.add_argument("--evidence", type=Path, help="page to note the outcome in")
    options = parser.parse_args()
    os.environ.update(CI="1", HEPAE_EXAMPLES="12")  # the same few examples for each mutant
    tests, state, began = options.test or TESTS, State(options.state), time.perf_counter()
    attempts = [Attempt(name, options.first, options.every, state) for name in options.module or MODULES]
    if options.only is not None:
        return int(loaded_anew(attempts[0].module, attempts[0].mutants[options.only].tree, tests))
    for one in attempts:
        one.run(tests)
        print(one.summary)
    print(f"{(time.perf_counter() - began) / 60:.0f} min")
    if options.evidence:
        page(options.evidence).note([row(one) for one in attempts])
    return 0 if all(len(one.alive) <= (1 - ENOUGH) * len(one.mutants) for one in attempts) else 1


def page(path: Path) -> Page:
    """The page of evidence."""
    text = (
        "Each mutant of a module has one operator, constant, condition or statement changed; it is killed when a test "
        "fails. Made by `python -m scripts.hardening.mutate --evidence docs/evidence/mutation.md`, which says what is "
        "not changed (texts of messages, annotations, settings of warnings)."
    )
    columns = ("module", "mutants", "killed", "share", "date (UTC)", "commit", "survivors")
    return Page(path, "Mutation testing of bounds and lattice", text, columns)


def row(one: Attempt) -> dict[str, object]:
    """What came of one module, with the reason for each survivor where there is one."""
    total, killed = len(one.mutants), len(one.mutants) - len(one.alive)
    survivors = "; ".join(
        f"{mutant}: {REASONS.get((mutant.before, mutant.after), 'no test')}" for mutant in one.alive
    )
    return {
        "module": f"hepae/{one.name}.py", "mutants": total, "killed": killed, "share": f"{killed / total:.1%}",
        "date (UTC)": now(), "commit": commit(), "survivors": survivors or "none",
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
