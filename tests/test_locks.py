"""Risk: threads that read different files wait for each other, and a forked child waits for ever."""

from __future__ import annotations

import ast
import os
import pickle
import threading
import warnings
from pathlib import Path
from typing import Any

import awkward as ak
import pytest
import uproot

import hepae
from hepae.core.locks import ForkSafeLock, computed_once
from hepae.root.file.source import Source
from hepae.stored import reader
from tests.compressed import compressed

PACKAGE = Path(hepae.__file__).parent


def read(path: Path) -> Any:
    return uproot.open(f"{path}:Events", object_cache=None, array_cache=None)["Jet_pt__hepae"].array()


def in_child(function: Any) -> int:
    """Exit code of a forked child that runs it; -14 where it hangs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
        child = os.fork()
    if not child:
        try:
            os.closerange(0, 3)
            signal_after(60)
            function()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the parent learns it from the exit code
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def signal_after(seconds: int) -> None:
    import signal

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(seconds)


class Held:
    """A thread that waits inside a function until it is told to go on."""

    def __init__(self, function: Any) -> None:
        self.entered, self.leave = threading.Event(), threading.Event()
        self.function = function

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if threading.current_thread().name == "held":
            self.entered.set()
            assert self.leave.wait(60)
        return self.function(*arguments, **options)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reading of models stands still in the thread called ``held``, in the middle of a file."""
    function = Held(reader.models_of)
    monkeypatch.setattr(reader, "models_of", function)
    path = compressed("lifting")
    thread = threading.Thread(target=read, args=(path,), name="held")
    thread.start()
    assert function.entered.wait(60)
    yield path
    function.leave.set()
    thread.join()


def test_a_file_is_read_while_another_is_held_up(held: Path) -> None:
    assert ak.num(read(held), axis=0) == 2400


def test_a_child_that_is_forked_while_a_file_is_read_reads_too(held: Path) -> None:
    assert in_child(lambda: read(held)) == 0


def test_a_lock_is_open_in_a_child_and_in_a_copy() -> None:
    lock = ForkSafeLock()
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            entered.set()
            leave.wait(60)

    def take(one: ForkSafeLock) -> None:
        with one, one:
            pass

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(60)
    assert in_child(lambda: take(lock)) == 0
    take(pickle.loads(pickle.dumps(lock)))
    leave.set()
    thread.join()


def test_what_is_computed_once_holds_no_lock() -> None:
    class Squares:
        calls = 0

        @computed_once
        def area(self) -> int:
            self.calls += 1
            return 4

    one = Squares()
    assert (one.area, one.area, one.calls) == (4, 4, 1)
    assert isinstance(Squares.area, computed_once)


def test_no_lock_of_the_package_outlives_a_fork() -> None:
    """Plain locks, and `functools.cached_property`, which has one in Python 3.11, are closed for ever in a child."""
    wrong = {"Lock", "RLock", "cached_property"}
    for path in PACKAGE.rglob("*.py"):
        if path.name == "locks.py" or "lab" in path.parts:
            continue
        names = {
            node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)
        }
        names |= {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        assert not names & wrong, path


def test_trees_of_one_source_share_what_is_restored() -> None:
    with Source(compressed("lifting")) as source:
        tree = source.tree("Events")
        results: list[Any] = []

        def restored() -> None:
            results.append(reader.restore_branch(source, tree, "Jet_pt__hepae", 0, 100))

        threads = [threading.Thread(target=restored) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(results) == 4
        assert len(vars(tree)["_restored_by_hepae"]) == 1
