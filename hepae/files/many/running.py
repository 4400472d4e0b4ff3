"""Tasks over any executor, or here: an outcome for each, whatever happens to workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed
from dataclasses import dataclass
from typing import Literal

from hepae.files.many.records import Task
from hepae.progress import Report

__all__ = ["Outcome", "Run", "State", "failed", "run_here", "run_over"]

State = Literal["compressed", "present", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes
    ----------
    state
        ``compressed``, ``present`` (it was there, complete and made from the same) or ``failed``.
    error
        Why it failed.
    bytes_before, bytes_after
        Sizes of the files.
    """

    source: str
    target: str
    state: State
    error: str = ""
    bytes_before: int = 0
    bytes_after: int = 0


Run = Callable[[Task], Outcome]
"""Does a task; raises nothing."""


def failed(task: Task, problem: Exception) -> Outcome:
    """The outcome of a task that an error ended."""
    return Outcome(task.source, task.target, "failed", f"{type(problem).__name__}: {problem}")


def run_here(run: Run, tasks: Sequence[Task], report: Report) -> list[Outcome]:
    """Tasks one after the other."""
    outcomes = []
    for task in tasks:
        outcomes.append(run(task))
        report("compressing files", len(outcomes), len(tasks), task.source)
    return outcomes


def run_over(executor: Executor, run: Run, tasks: Sequence[Task], report: Report) -> list[Outcome]:
    """Tasks over an executor; those of workers that are lost fail."""
    outcomes: dict[Task, Outcome] = {}
    futures: dict[Future[Outcome], Task] = {}
    try:
        for task in tasks:
            try:
                futures[executor.submit(run, task)] = task
            except BrokenExecutor as problem:
                outcomes[task] = failed(task, problem)
        for future in as_completed(futures):
            outcomes[futures[future]] = _outcome(future, futures[future])
            report("compressing files", len(outcomes), len(tasks), futures[future].source)
    finally:
        for future in futures:
            future.cancel()
    return [outcomes[task] for task in tasks]


def _outcome(future: Future[Outcome], task: Task) -> Outcome:
    try:
        return future.result()
    except Exception as problem:  # noqa: BLE001 - a lost worker is an error of the executor's own making
        return failed(task, problem)
